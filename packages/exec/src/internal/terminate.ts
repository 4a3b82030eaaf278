/**
 * Ends a tree: a signal, a grace period that lasts until the tree is gone, KILL, and a deadline for that.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Running, SignalScope } from "../Backend.ts"
import type { ExecError } from "../ExecError.ts"
import type { Policy } from "../Policy.ts"
import type { Signal } from "../Signal.ts"
import * as deadline from "./deadline.ts"
import * as telemetry from "./telemetry.ts"

/** Kills the tree. Whether it was seen empty in time. */
export const kill = (running: Running, policy: Policy): Effect.Effect<boolean, ExecError> =>
  deadline.within(running.signal("SIGKILL", "tree"), policy.killDeadline)

/**
 * Sends the signal, and KILL to the tree when the grace has passed and something of the tree is still there. Whether
 * the tree was seen empty in time. The grace times the end, not the sending: a tree that ignores the signal is killed.
 */
export const escalate = (
  running: Running,
  policy: Policy,
  signal: Signal = "SIGTERM",
  scope: SignalScope = "tree",
  grace: Duration.Duration = policy.grace
): Effect.Effect<boolean, ExecError> =>
  Effect.flatMap(deadline.within(signalled(running, signal, scope), grace), (ended) =>
    ended ? Effect.succeed(true) : Effect.andThen(Metric.update(telemetry.killEscalations, 1), kill(running, policy))
  )

const signalled = (running: Running, signal: Signal, scope: SignalScope): Effect.Effect<void, ExecError> =>
  running.signal(signal, scope).pipe(
    // A signal that was refused for one member must not keep KILL from the others.
    Effect.catchReason("ExecError", "KillFailed", () => Effect.void),
    Effect.andThen(running.treeEmpty)
  )
