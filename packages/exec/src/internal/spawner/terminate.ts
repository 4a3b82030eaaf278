/**
 * Ends a process in the way of `effect/process`: a signal, KILL only where the caller said when, and no limit to the
 * waiting otherwise.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import type { ExecError } from "../../ExecError.ts"
import type { Process } from "../../Process.ts"
import type { Signal } from "../../Signal.ts"
import * as deadline from "../deadline.ts"
import * as plan from "./plan.ts"
import { fromExec } from "./failure.ts"

/** How long the rest of a tree may outlive the process that was ended. */
const restGrace = Duration.seconds(1)

/** Signals the process and, unless it was not to be detached, its tree; returns when the process has ended. */
export const terminate = (
  process: Process,
  source: ChildProcess.StandardCommand,
  { forceKillAfter, killSignal }: ChildProcess.KillOptions = {}
): Effect.Effect<void, PlatformError> => {
  const scope = source.options.detached === false ? "process" : "tree"
  const exited = Effect.exit(process.wait)
  // Waits for all that was signalled, however long that takes.
  const ended = (signal: Signal): Effect.Effect<unknown, ExecError> =>
    scope === "tree"
      ? process.kill({ signal, scope, grace: Duration.infinity })
      : Effect.andThen(process.kill({ signal, scope }), exited)

  const patient = (signal: Signal) => Effect.raceFirst(ended(signal), Effect.andThen(exited, deadline.sleep(restGrace)))

  const forced = (signal: Signal, after: Duration.Duration) =>
    Effect.flatMap(deadline.within(ended(signal), after), (inTime) => (inTime ? Effect.void : patient("SIGKILL")))

  return Effect.flatMap(plan.signal("kill", killSignal), (signal) =>
    (forceKillAfter === undefined ? patient(signal) : forced(signal, Duration.fromInputUnsafe(forceKillAfter))).pipe(
      Effect.mapError(fromExec("kill", source)),
      Effect.andThen(exited),
      Effect.asVoid
    )
  )
}
