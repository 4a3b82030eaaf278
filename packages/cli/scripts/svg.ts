/** Screens of a terminal, one after the other, as an animated SVG. */

/** What was on the screen, with the terminal's colours, from this millisecond on. */
export interface Frame {
  readonly at: number
  readonly lines: ReadonlyArray<string>
}

/** How it looks. */
export interface Layout {
  readonly columns: number
  /** The terminals, one above the other, and in which row each begins. */
  readonly titles: ReadonlyArray<{ readonly row: number; readonly title: string }>
}

const cell = { width: 8.4, height: 18 }
const margin = 14
const bar = 26

const colours: Readonly<Record<string, string>> = {
  "30": "#3b4252",
  "31": "#f07178",
  "32": "#a3d977",
  "33": "#ffcb6b",
  "34": "#82aaff",
  "35": "#c792ea",
  "36": "#7fdbe6",
  "37": "#e6e9ef",
  "90": "#7a8294"
}

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

/** A line with its colours: `ESC [ … m` changes how what follows looks. */
const spans = (line: string): string => {
  let style: ReadonlyArray<string> = []
  return line
    .split("\u001b[")
    .map((part, index) => {
      const [, codes, text] = index === 0 ? ["", "", part] : (/^([\d;]*)m(.*)$/s.exec(part) ?? ["", "", part])
      if (index > 0) {
        for (const code of codes!.split(";")) {
          if (code === "" || code === "0") style = []
          else if (code === "1") style = [...style, 'font-weight="bold"']
          else if (code === "2") style = [...style, 'opacity="0.6"']
          else if (code === "39") style = style.filter((it) => !it.startsWith("fill"))
          else if (colours[code] !== undefined) {
            style = [...style.filter((it) => !it.startsWith("fill")), `fill="${colours[code]}"`]
          }
        }
      }
      const shown = escape(text!)
      return shown === "" || style.length === 0 ? shown : `<tspan ${style.join(" ")}>${shown}</tspan>`
    })
    .join("")
}

interface Shown {
  readonly row: number
  readonly line: string
  readonly from: number
  to: number
}

// The same line in the same row for some time is one element.
const shownLines = (frames: ReadonlyArray<Frame>, end: number): ReadonlyArray<Shown> => {
  const all: Array<Shown> = []
  const now = new Map<number, Shown>()
  for (const { at, lines } of frames) {
    lines.forEach((text, row) => {
      const line = text.trimEnd()
      const before = now.get(row)
      if (before?.line === line) return
      if (before !== undefined) before.to = at
      const next = { row, line, from: at, to: end }
      now.set(row, next)
      if (line !== "") all.push(next)
    })
  }
  return all
}

export const render = (frames: ReadonlyArray<Frame>, { columns, titles }: Layout): string => {
  const end = frames.at(-1)!.at
  const rows = frames[0]!.lines.length
  const width = Math.ceil(columns * cell.width + 2 * margin)
  const above = (row: number) => titles.filter((title) => title.row <= row).length
  const top = (row: number) => row * cell.height + above(row) * (bar + margin)
  const height = Math.ceil(top(rows - 1) + cell.height + margin)
  const percent = (at: number) => `${Number(((100 * at) / end).toFixed(3))}%`

  // Lines that come and go together share what says when.
  const times = new Map<string, string>()
  const nameOf = ({ from, to }: Shown) => {
    const key = `${from}-${to}`
    const name = times.get(key) ?? `t${times.size}`
    times.set(key, name)
    return name
  }
  const texts = shownLines(frames, end).map((shown) => {
    const isLast = shown.to === end
    const place = `x="${margin}" y="${top(shown.row) + cell.height - 5}"`
    return `<text ${place} class="${nameOf(shown)}"${isLast ? "" : ' visibility="hidden"'}>${spans(shown.line)}</text>`
  })
  const rules = Array.from(times, ([key, name]) => {
    const [from, to] = key.split("-").map(Number) as [number, number]
    const until = to === end ? "" : `${percent(to)}{visibility:hidden}`
    return `@keyframes ${name}{0%{visibility:hidden}${percent(from)}{visibility:visible}${until}}.${name}{animation:${name} ${end}ms step-end infinite}`
  })
  const windows = titles.map(({ row, title }, index) => {
    const y = top(row) - bar
    const bottom = index + 1 < titles.length ? top(titles[index + 1]!.row) - bar - margin / 2 : height
    return [
      `<rect y="${y}" width="${width}" height="${bottom - y}" rx="8" fill="#1f2430"/>`,
      ...["#f07178", "#ffcb6b", "#a3d977"].map(
        (colour, at) => `<circle cx="${margin + 4 + at * 16}" cy="${y + 14}" r="5" fill="${colour}"/>`
      ),
      `<text x="${width / 2}" y="${y + 18}" text-anchor="middle" opacity="0.6">${title}</text>`
    ].join("")
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,monospace" font-size="14" fill="#e6e9ef">
<style>text{white-space:pre}${rules.join("")}</style>
${windows.join("\n")}
${texts.join("\n")}
</svg>
`
}
