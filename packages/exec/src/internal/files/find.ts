/**
 * Listing directories with `find`, which has no way to tell types that busybox would have too.
 */
import type { DirectoryEntry, File } from "effect/FileSystem"

// As often as the type's place here `find` says the name, and names are unique.
const types: ReadonlyArray<readonly [File.Type, test: string]> = [
  ["File", "f"],
  ["Directory", "d"],
  ["SymbolicLink", "l"],
  ["FIFO", "p"],
  ["Socket", "s"],
  ["CharacterDevice", "c"],
  ["BlockDevice", "b"]
]

const tests = types.flatMap(([, test], index) => [
  ...(index === 0 ? [] : ["-o"]),
  "-type",
  test,
  ...Array.from({ length: index + 1 }, () => "-print0")
])

const withSlash = (path: string): string => (path.endsWith("/") ? path : `${path}/`)

/** The arguments that list a directory. With the slash, a link to one is followed, and something else is an error. */
export const args = (path: string, recursive: boolean): ReadonlyArray<string> => [
  withSlash(path),
  "-mindepth",
  "1",
  ...(recursive ? [] : ["-maxdepth", "1"]),
  ...tests
]

/** What was listed. */
export const entries = (path: string, stdout: string): ReadonlyArray<DirectoryEntry> => {
  const prefix = withSlash(path).length
  const found: Array<DirectoryEntry> = []
  const said = stdout.split("\0")
  for (let at = 0; at < said.length - 1;) {
    const name = said[at]!
    let times = 1
    while (said[at + times] === name) times++
    found.push({ name: name.slice(prefix), type: types[times - 1]?.[0] ?? "Unknown" })
    at += times
  }
  return found
}
