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
import type { Process } from "effect-exec/Process"
import type { Options } from "./execute.ts"
import * as ExitCode from "./exitCode.ts"
import { Ended } from "./failure.ts"
import * as Json from "./json.ts"
import type { JsonEvent } from "./jsonEvent.ts"
import * as Quantity from "./quantity.ts"
import { note, write } from "./standardStreams.ts"

/** How a process ended, as far as this program's own end depends on it. */
export type End = Omit<Exited, "_tag">

const follow =
  <E>(each: (event: ExecEvent) => Effect.Effect<void, E>) =>
  <E2>(child: Process<E2>): Effect.Effect<End, E | E2 | ExecError.ExecError> =>
    child.events.pipe(
      Stream.tap(each),
      Stream.runLast,
      Effect.flatMap((last) =>
        Option.isSome(last) && last.value._tag === "Exited"
          ? Effect.succeed(last.value)
          : Effect.fail(ExecError.make(new ExecError.ConnectionLost({ started: true })))
      )
    )

/** Its output is this program's output. */
export const passThrough = follow((event) =>
  event._tag === "Stdout"
    ? write("stdout", event.bytes)
    : event._tag === "Stderr"
      ? write("stderr", event.bytes)
      : Effect.void
)

const print = (lines: ReadonlyArray<JsonEvent>) =>
  Effect.forEach(lines, (it) => write("stdout", Json.line(it)), { discard: true })

/** Its events are lines of JSON. */
export const jsonLines = <E>(child: Process<E>) =>
  Effect.suspend(() => {
    const events = new Json.Events()
    return follow((event) => print(events.of(event)))(child).pipe(
      Effect.onError(() => Effect.ignore(Effect.suspend(() => print(events.rest()))))
    )
  })

/** All of it is one line of JSON. */
export const jsonResult = <E>(child: Process<E>) =>
  Effect.tap(Stream.run(child.events, ExecResult.collect), (result) => print([Json.ofResult(result)]))

/** What could not be done is a line of JSON. */
export const jsonErrors = <A, E, R>(effect: Effect.Effect<A, E | ExecError.ExecError, R>) =>
  Effect.catchIf(effect, ExecError.isExecError, (error) =>
    Effect.andThen(print([Json.ofError(error)]), new Ended({ exitCode: ExitCode.ofError(error) }))
  )

/** Ends this program as the process ended. */
export const conclude = (end: End): Effect.Effect<void, Ended> =>
  Effect.suspend(() => {
    const exitCode = ExitCode.ofEnd(end)
    if (exitCode === 0) return Effect.void
    return new Ended({ exitCode, signal: end.status._tag === "Signaled" ? end.status.signal : undefined })
  })

/** Says why it ended, where the exit code does not say it all. */
export const explain = (end: End, { maxOutput = 0, timeout = 0 }: Options): Effect.Effect<void> => {
  const reasons = [
    ...(end.endedBy === "timeout"
      ? [`ended after ${Quantity.formatDuration(Duration.fromInputUnsafe(timeout))}, the limit of --timeout`]
      : []),
    ...(end.endedBy === "maxOutput"
      ? [`ended past ${Quantity.formatBytes(maxOutput)} of output, the limit of --max-output`]
      : []),
    ...(end.status._tag === "Signaled" && end.status.cause === "oom" ? ["killed because memory ran out"] : []),
    ...(end.incomplete ? ["something else still held its output open: there may have been more"] : [])
  ]
  return Effect.forEach(reasons, note, { discard: true })
}
