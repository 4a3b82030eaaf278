/**
 * Copying directories, one operation for each entry: an agent copies single files.
 */
import * as Effect from "effect/Effect"
import type { File } from "effect/FileSystem"
import { FileError, type Files } from "effect-exec/Files"
import type { Stat } from "./decode.ts"
import type { Failing } from "./operation.ts"

/** What it needs. */
export interface Tools extends Pick<
  Files,
  "chmod" | "copyFile" | "list" | "makeDirectory" | "readLink" | "remove" | "symlink" | "utimes"
> {
  /** Of the thing itself. */
  readonly statOf: (path: string) => Failing<Stat>
}

/** So many at a time that the agent always has work; each is a process there. */
const concurrency = 16

const invalid = (text: string) => Effect.fail(new FileError({ code: "EINVAL", text }))

const conflict = (type: File.Type) =>
  invalid(
    type === "Directory" ? "there is a file where a directory was to go" : "there is a directory where a file was to go"
  )

const withoutSlashes = (path: string): string => path.replace(/(?<=.)\/+$/, "")

const parentOf = (path: string): string => {
  const at = path.lastIndexOf("/")
  return at === -1 ? "." : path.slice(0, at) || "/"
}

const isSame = (one: Stat, other: Stat | undefined): boolean =>
  one.info.dev === other?.info.dev && String(one.info.ino) === String(other.info.ino)

/** Copies a file, a link or a whole directory; see `Files.copy`. */
export const copyTree =
  (tools: Tools): Files["copy"] =>
  (from, to, overwrite, preserveTimestamps) => {
    const source = withoutSlashes(from)
    const target = withoutSlashes(to)

    const found = (path: string) =>
      Effect.catchIf(
        tools.statOf(path),
        (error) => error instanceof FileError && error.code === "ENOENT",
        () => Effect.undefined
      )

    const make = (from: string, to: string, { atime, info, mtime }: Stat): Failing<void> => {
      switch (info.type) {
        case "SymbolicLink":
          return Effect.flatMap(tools.readLink(from), (link) => tools.symlink(link, to))
        case "File":
          return Effect.andThen(
            tools.copyFile(from, to),
            preserveTimestamps ? tools.utimes(to, atime, mtime) : Effect.void
          )
        default:
          return invalid(`${from} is neither a file, nor a directory, nor a symbolic link`)
      }
    }

    const one = Effect.fnUntraced(function* (from: string, to: string) {
      const stat = yield* tools.statOf(from)
      const there = yield* found(to)
      if (isSame(stat, there)) return yield* invalid("a file cannot be copied onto itself")
      if (there?.info.type === "Directory") return yield* conflict(stat.info.type)
      if (there !== undefined && !overwrite) return
      if (there !== undefined) yield* tools.remove(to, false, true)
      yield* make(from, to, stat)
    })

    // Its own permissions only when it is full: they may forbid to fill it.
    const directory = Effect.fnUntraced(function* (from: string, to: string) {
      const stat = yield* tools.statOf(from)
      const { info } = stat
      const there = yield* found(to)
      if (isSame(stat, there)) return yield* invalid("a directory cannot be copied onto itself")
      if (there !== undefined && there.info.type !== "Directory") return yield* conflict("Directory")
      if (there !== undefined) return Effect.void
      yield* tools.makeDirectory(to, 0o700, false)
      return tools.chmod(to, info.mode & 0o7777)
    })

    return Effect.gen(function* () {
      const { info } = yield* tools.statOf(source)
      if (target.startsWith(`${source}/`)) return yield* invalid("a directory cannot be copied into itself")
      yield* tools.makeDirectory(parentOf(target), 0o777, true)
      if (info.type !== "Directory") return yield* one(source, target)
      // A directory comes before what is in it.
      const entries = yield* tools.list(source, true)
      const closing = [yield* directory(source, target)]
      for (const { name, type } of entries) {
        if (type === "Directory") closing.push(yield* directory(`${source}/${name}`, `${target}/${name}`))
      }
      yield* Effect.forEach(
        entries.filter(({ type }) => type !== "Directory"),
        ({ name }) => one(`${source}/${name}`, `${target}/${name}`),
        { concurrency, discard: true }
      )
      yield* Effect.all(closing.toReversed(), { discard: true })
    })
  }
