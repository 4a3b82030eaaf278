/**
 * What is in a directory, as `find` and `stat` of GNU and busybox tell it.
 */
import type { Entry } from "@effect-exec/capsule/WrennWire"

// `find` never gives a path with `//` in it, whatever names there are; what begins with it is another entry. The targets
// of links, which may hold anything but a NUL, come after the first NUL.
const stat = `stat -c '//%f %s %Y %U %G %n'`
const target = `printf '\\0%s\\0%s' "$f" "$(readlink "$f")"`

/** Lists the directory `$1`, `$2` levels deep. */
export const list = `find "$1" -mindepth 1 -maxdepth "$2" -exec ${stat} {} +
find "$1" -mindepth 1 -maxdepth "$2" -type l -exec sh -c 'for f; do ${target.replaceAll("'", "'\\''")}; done' sh {} +`

/** Tells of `$1` itself. */
export const one = `${stat} "$1"`

const kinds: Readonly<Record<number, readonly [type: string, letter: string]>> = {
  0o040000: ["directory", "d"],
  0o100000: ["file", "-"],
  0o120000: ["symlink", "l"]
}

const permissions = (mode: number): string =>
  Array.from("rwxrwxrwx", (letter, index) => ((mode >> (8 - index)) & 1 ? letter : "-")).join("")

const form = /^([0-9a-f]+) (\d+) (-?\d+) (\S+) (\S+) ([^]*)\n$/

/** The entries of what was printed. */
export const parse = (bytes: Uint8Array): ReadonlyArray<Entry> => {
  const [listed = "", ...links] = Buffer.from(bytes).toString().split("\0")
  const targets = new Map<string, string>()
  for (let at = 0; at + 1 < links.length; at += 2) targets.set(links[at]!, links[at + 1]!)
  // Below the root paths do begin with it: `//bin` is `/bin`.
  return listed.split(/^\/\//m).flatMap((text): ReadonlyArray<Entry> => {
    const match = form.exec(text)
    if (match === null) return []
    const [, raw = "", size, modified, owner = "", group = "", path = ""] = match
    const mode = Number.parseInt(raw, 16)
    const [type, letter] = kinds[mode & 0o170000] ?? ["unknown", "?"]
    const symlink = targets.get(path)
    return [
      {
        name: path.slice(path.lastIndexOf("/") + 1),
        path,
        type,
        size: Number(size),
        mode: mode & 0o7777,
        permissions: letter + permissions(mode),
        owner,
        group,
        modified_at: Number(modified),
        ...(symlink === undefined ? {} : { symlink_target: symlink })
      }
    ]
  })
}
