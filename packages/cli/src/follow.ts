/**
 * From the events of a process to what is seen of it, and to how this program ends.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as ExecError from "effect-exec/ExecError"
import type { ExecEvent, Exited } from "effect-exec/ExecEvent"
import * as ExecResult from "effect-exec/ExecResult"
import type { Options } from "./execute.ts"
import * as ExitCode from "./exitCode.ts"
import { type BrokenPipe, Ended, type Failure } from "./failure.ts"
import * as Json from "./json.ts"
import type { JsonEvent } from "./jsonEvent.ts"
import * as Quantity from "./quantity.ts"
import { note, write } from "./standardStreams.ts"

/** What is observed of a process. */
export type Events<E> = Stream.Stream<ExecEvent, E | ExecError.ExecError>

/** How a process ended, as far as this program's own end depends on it. */
export type End = Omit<Exited, "_tag">

/** Its output becomes this program's output. */
export const show: <E>(events: Events<E>) => Events<E | BrokenPipe | Failure> = Stream.tap((event) =>
  event._tag === "Stdout"
    ? write("stdout", event.bytes)
    : event._tag === "Stderr"
      ? write("stderr", event.bytes)
      : Effect.void
)

/** Says which output was evicted before it could be read. */
export const showGaps: <E>(events: Events<E>) => Events<E> = Stream.tap((event) =>
  event._tag === "Gap" ? note(`its bytes from ${event.from} up to ${event.to} are no longer held`) : Effect.void
)

/** Prints lines of JSON. */
export const print = (lines: ReadonlyArray<JsonEvent>) =>
  Effect.forEach(lines, (it) => write("stdout", Json.line(it)), { discard: true })

/** Its events become lines of JSON. */
export const showJson = <E>(events: Events<E>): Events<E | BrokenPipe | Failure> =>
  Stream.suspend(() => {
    const lines = new Json.Events()
    return Stream.tap(events, (event) => print(lines.of(event))).pipe(
      Stream.ensuring(Effect.ignore(Effect.suspend(() => print(lines.rest()))))
    )
  })

/** Follows it to its end. */
export const toEnd = <E>(events: Events<E>): Effect.Effect<End, E | ExecError.ExecError> =>
  Effect.flatMap(Stream.runLast(events), (last) =>
    Option.isSome(last) && last.value._tag === "Exited"
      ? Effect.succeed(last.value)
      : Effect.fail(ExecError.make(new ExecError.ConnectionLost({ started: true })))
  )

/** All of it becomes one line of JSON, at its end. */
export const toJsonResult = <E>(events: Events<E>) =>
  Effect.tap(Stream.run(events, ExecResult.collect), (result) => print([Json.ofResult(result)]))

/** What could not be done becomes a line of JSON, where that is wanted. */
export const report = <A, E, R>(
  json: boolean,
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | BrokenPipe | Ended | Failure, R> =>
  Effect.tapError(effect, (error) =>
    json && ExecError.isExecError(error)
      ? Effect.andThen(print([Json.ofError(error)]), Effect.fail(new Ended({ exitCode: ExitCode.ofError(error) })))
      : Effect.void
  )

/** Ends this program as the process ended. */
export const conclude = (end: End): Effect.Effect<void, Ended> =>
  Effect.suspend(() => {
    const exitCode = ExitCode.ofEnd(end)
    if (exitCode === 0) return Effect.void
    return Effect.fail(new Ended({ exitCode, signal: end.status._tag === "Signaled" ? end.status.signal : undefined }))
  })

/** Says why it ended, where the exit code does not say it all. */
export const explain = (end: End, { maxOutput = 0, timeout = 0 }: Partial<Options>): Effect.Effect<void> => {
  const limit = Quantity.formatDuration(Duration.fromInputUnsafe(timeout))
  const reasons = [
    ...(end.endedBy === "timeout" ? [`ended after ${limit}, the limit of --timeout`] : []),
    ...(end.endedBy === "maxOutput"
      ? [`ended past ${Quantity.formatBytes(maxOutput)} of output, the limit of --max-output`]
      : []),
    ...(end.status._tag === "Signaled" && end.status.cause === "oom" ? ["killed because memory ran out"] : []),
    ...(end.incomplete ? ["something else still held its output open: there may have been more"] : [])
  ]
  return Effect.forEach(reasons, note, { discard: true })
}
