/**
 * Writing files: all at once, and as a sink.
 */
import * as Effect from "effect/Effect"
import type { FileSystem, OpenFlag } from "effect/FileSystem"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import { FileError, type Writer, type WriteOptions } from "../../Files.ts"
import { type Done, type Use, withMode } from "./checked.ts"
import { from } from "./failure.ts"

/** How a file is opened; `undefined` when it cannot be written to then. */
const opening = (flag: OpenFlag): Omit<WriteOptions, "mode"> | undefined => {
  if (flag === "r") return undefined
  const create = flag === "r+" ? "never" : flag.includes("x") ? "always" : "if missing"
  return { create, to: flag === "r+" ? "start" : flag.startsWith("a") ? "end" : "truncated" }
}

interface Options {
  readonly flag?: OpenFlag | undefined
  readonly mode?: number | undefined
}

const open = (
  use: Use,
  method: string,
  path: string,
  { flag = "w", mode = 0o666 }: Options = {}
): Done<Writer, Scope.Scope> => {
  const how = opening(flag)
  return withMode(method, mode, (mode) =>
    use(method, [path], (files) =>
      how === undefined
        ? Effect.fail(new FileError({ code: "EBADF", text: `the flag "${flag}" opens no file for writing` }))
        : files.write(path, { ...how, mode })
    )
  )
}

/** `writeFile` of the file system. */
export const writeFile =
  (use: Use): FileSystem["writeFile"] =>
  (path, data, options) => {
    const written = Effect.flatMap(open(use, "writeFile", path, options), ({ close, write }) =>
      Effect.mapError(Effect.andThen(write(data), close), from("writeFile", path))
    )
    return Effect.scoped(written)
  }

/** `sink` of the file system: it has written all of it when it is done. */
export const sink =
  (use: Use): FileSystem["sink"] =>
  (path, options) =>
    Sink.unwrap(
      Effect.map(open(use, "sink", path, options), ({ close, write }) =>
        Sink.fromTransform((upstream) => {
          const failing = Effect.mapError(from("sink", path))
          const each = (bytes: Uint8Array) => failing(write(bytes))
          const step = Effect.flatMap(upstream, (chunks) => Effect.forEach(chunks, each, { discard: true }))
          const written = Pull.catchDone(Effect.forever(step, { disableYield: true }), () => failing(close))
          return Effect.as(written, [undefined] as const)
        })
      )
    )
