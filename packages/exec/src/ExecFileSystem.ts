/**
 * Effect's own `FileSystem` inside a sandbox, on top of any `Exec`.
 *
 * ```ts
 * import { Effect, FileSystem, Layer } from "effect"
 * import { ExecFileSystem } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * // Knows nothing of effect-exec.
 * const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     const fs = yield* FileSystem.FileSystem
 *     const directory = yield* fs.makeTempDirectoryScoped()
 *     yield* fs.writeFileString(`${directory}/notes.txt`, "hello", { mode: 0o600 })
 *     const { mode } = yield* fs.stat(`${directory}/notes.txt`)
 *     return [yield* fs.readDirectory(directory), mode & 0o777]
 *   })
 * )
 *
 * const layer = ExecFileSystem.layer.pipe(Layer.provide(LocalExec.layer))
 *
 * await Effect.runPromise(Effect.provide(program, layer)) // => [["notes.txt"], 384]
 * ```
 *
 * It behaves as the file system of `@effect/platform-node` does, and is held against the same tests.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Exec } from "./Exec.ts"
import * as internal from "./internal/files/fileSystem.ts"
import * as posix from "./internal/files/posix.ts"

/** The file system of the sandbox that this `Exec` runs commands in. */
export const make = (exec: Exec["Service"]): FileSystem.FileSystem => {
  const commands = posix.make(exec)
  return internal.make(Effect.map(exec.files ?? Effect.undefined, (own) => own ?? commands))
}

/** The file system of the sandbox that the `Exec` of the context runs commands in. */
export const layer: Layer.Layer<FileSystem.FileSystem, never, Exec> = Layer.effect(
  FileSystem.FileSystem,
  Effect.map(Exec, make)
)
