/**
 * What a server says when it begins: what to type in another terminal.
 */
import { styleText } from "node:util"

/** What is told. */
export interface Facts {
  readonly url: string
  /** Where the token is, if one is asked for. */
  readonly file: string | undefined
  readonly on: string
  /** The names of the templates; without any it is one capsule that is served. */
  readonly templates: ReadonlyArray<string>
}

// Of a shell: quoted where it has to be.
const word = (text: string) => (/^[\w./:@=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`)

export const banner = ({ file, on, templates, url }: Facts): string => {
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    styleText(format, text, { stream: process.stdout })
  const [template] = templates
  const what = template === undefined ? on : `capsules of ${templates.join(", ")}`
  const place = word(`capsule:${url.replace(/^ws\+unix:(.*):\/$/, "unix:$1")}`)
  const lines = [
    ...(file === undefined ? [] : [`export EFFECT_EXEC_TOKEN_FILE=${word(file)}`]),
    ...(template === undefined
      ? [`export EFFECT_EXEC_ON=${place}`]
      : [`export EFFECT_EXEC_ON=$(effect-exec capsule create --on ${place} ${template})`]),
    "effect-exec detach --tag clock -- sh -c 'while :; do date; sleep 1; done'",
    "effect-exec ps",
    "effect-exec attach clock",
    "effect-exec kill clock"
  ]
  return [
    `${style("green", "●")} ${style("bold", what)} at ${style("bold", url)}`,
    "",
    "  In another terminal:",
    "",
    ...lines.map((line) => `    ${style("cyan", line)}`),
    "",
    `  ${style("dim", "Ctrl-C here ends the server, and all that runs there.")}`,
    "",
    ""
  ].join("\n")
}
