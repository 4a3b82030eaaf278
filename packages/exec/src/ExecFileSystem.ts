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
 * It behaves as the file system of `@effect/platform-node` does, and is held against the same tests: by the agent where
 * there is one, else by small commands that GNU and busybox have. What differs:
 *
 * - **Files have no handles.** `open` fails with `BadArgument`, and so does `watch`. `stream`, `sink`, `readFile` and
 *   `writeFile` read or write in one operation each; what goes wrong there is told as theirs, not as that of an `open`.
 * - **Symbolic links stay what they are.** Listing recursively follows none; `copy` makes one with the same target, also
 *   with a relative one, and with `overwrite` puts it in the place of what is there.
 * - **16 operations at a time** are under way, streams and sinks apart; others wait for their turn.
 * - **A copy belongs to who makes it.** As root, platform-node gives it to the owner of what it is a copy of. Here only
 *   `copy` by commands with `preserveTimestamps` does, which keeps the times of directories too.
 * - **Times** before 1970 are set as they are. The `touch` of busybox sets whole seconds.
 * - **`rdev`** of `stat` is not told by the agent.
 * - **A path with half of a surrogate pair** is `BadArgument`, not another path.
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
