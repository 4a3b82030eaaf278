/**
 * The stdin of one process, as a sink and fed by a stream.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { ExecError } from "../../ExecError.ts"
import type { ProcessHandle } from "../../Process.ts"

/** Bytes for a process. */
export type Stdin = Sink.Sink<void, Uint8Array, never, PlatformError>

/**
 * Writes what comes, as fast as the process reads. With `endOnDone` the process then reads end-of-file, also where the
 * source failed or the sink was interrupted: nothing more will come.
 */
export const sink = (
  process: ProcessHandle,
  endOnDone: boolean,
  toPlatform: (error: ExecError) => PlatformError
): Stdin =>
  Sink.fromTransform((upstream) => {
    const step = Effect.flatMap(upstream, (chunks) =>
      Effect.forEach(chunks, (bytes) => process.write(bytes), { discard: true })
    )
    const written = Pull.catchDone(Effect.forever(step, { disableYield: true }), () => Effect.void)
    const ended = endOnDone ? Effect.ensuring(written, Effect.ignore(process.closeStdin)) : written
    return Effect.as(Effect.mapError(ended, toPlatform), [undefined] as const)
  })

/** Feeds a stream into the sink, in the background; the deferred is how the stream failed, should it fail. */
export const feed = (
  stream: Stream.Stream<Uint8Array, PlatformError>,
  into: Stdin
): Effect.Effect<Deferred.Deferred<never, PlatformError>, never, Scope.Scope> =>
  Effect.suspend(() => {
    const failed = Deferred.makeUnsafe<never, PlatformError>()
    return Stream.tapCause(stream, (cause) => Deferred.failCause(failed, cause)).pipe(
      Stream.run(into),
      // A process that takes no more is no failure: its exit code tells.
      Effect.ignoreCause,
      Effect.forkScoped,
      Effect.as(failed)
    )
  })
