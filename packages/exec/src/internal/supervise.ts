/**
 * One process under its policy: everything between a backend's `Running` and the events that a caller sees.
 *
 * Two fibers at the most stand beside a running process, both owned by the scope it was spawned in: one waits for its
 * exit, one for its timeout. All bytes are moved by whoever pulls.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import type { Backend, SpawnRequest } from "../Backend.ts"
import type { ExecError } from "../ExecError.ts"
import type { SpawnOptions } from "../ExecOptions.ts"
import { Ending } from "./ending.ts"
import type { Policy } from "./policy.ts"
import { Reading } from "./reading.ts"
import { feed } from "./stdin.ts"
import * as telemetry from "./telemetry.ts"

/** A process under its policy. */
export interface Supervised<E> {
  readonly ending: Ending<E>
  readonly reading: Reading<E>
}

/**
 * Spawns a command and puts it under its policy. Closing the scope ends the tree: TERM, grace, KILL; it returns when
 * the tree was seen empty, at the latest after grace and kill deadline.
 */
export const supervise = Effect.fnUntraced(function* <E, R>(
  backend: Backend,
  request: SpawnRequest,
  policy: Policy,
  stdin: SpawnOptions<E, R>["stdin"]
): Effect.fn.Return<Supervised<E>, ExecError, R | Scope.Scope> {
  const scope = yield* Scope.Scope
  const clock = yield* Clock.Clock
  const fork = <R2>(effect: Effect.Effect<void, never, R2>) => Effect.forkIn(effect, scope, { startImmediately: true })

  const running = yield* backend.spawn(request)
  const ending = new Ending<E>(backend, request.id, policy, running, clock)
  const reading = new Reading(ending, fork)
  yield* Metric.update(telemetry.processes, 1)
  yield* fork(Effect.andThen(ending.watch, reading.closeWhenQuiet))
  if (Duration.isFinite(policy.timeout)) {
    yield* fork(Effect.andThen(Effect.sleep(policy.timeout), ending.endBecause("timeout")))
  }
  if (stdin !== undefined && stdin !== "open") {
    yield* fork(Effect.catchCause(feed(running, stdin), (cause) => ending.endWith(cause)))
  }
  // Added last, so that it runs first, while the fibers above still see what happens. The consumer is gone by now, and
  // what nobody reads would keep a process from ending by itself.
  yield* Scope.addFinalizer(
    scope,
    Effect.raceFirst(Effect.andThen(ending.end, ending.seen), Effect.andThen(reading.discard, Effect.never))
  )
  return { ending, reading }
})
