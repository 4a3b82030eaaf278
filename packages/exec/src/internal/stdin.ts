/**
 * Feeds a process what the caller gave as stdin, then end-of-file.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Running } from "../Backend.ts"
import * as ExecError from "../ExecError.ts"
import type { SpawnOptions } from "../ExecOptions.ts"
import * as utf8 from "./utf8.ts"

// What a pipe holds on Linux: larger writes would only wait in memory.
const pieceSize = 64 * 1024

const pieces = (bytes: Uint8Array): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(
    (function* () {
      for (let at = 0; at < bytes.length; at += pieceSize) yield bytes.subarray(at, at + pieceSize)
    })()
  ).pipe(Stream.rechunk(1))

/**
 * Writes all of it, as fast as the process reads, and closes stdin. A process that stops reading before the end, or
 * a backend that is lost, is no failure here: how the process ends tells of it. Only the source itself can fail.
 */
export const feed = <E, R>(
  running: Pick<Running, "write" | "closeStdin">,
  source: NonNullable<Exclude<SpawnOptions<E, R>["stdin"], "open">>
): Effect.Effect<void, E, R> => {
  const stream =
    typeof source === "string" ? pieces(utf8.encode(source)) : source instanceof Uint8Array ? pieces(source) : source
  const written = Stream.runForEach(
    Stream.mapError(stream, (error) => ({ error })),
    (bytes) => running.write(bytes)
  )
  return Effect.andThen(written, running.closeStdin).pipe(
    Effect.catch((failure) => (ExecError.isExecError(failure) ? Effect.void : Effect.fail(failure.error)))
  )
}
