/**
 * One process under its policy: everything between a backend's `Running` and the events that a caller sees.
 *
 * Beside a running process stands one fiber that waits for its exit, one for its timeout if it has any, and one that
 * feeds its stdin if that was given; the scope it was spawned in owns them. Output is moved by whoever pulls.
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import type { Backend, SpawnRequest } from "../Backend.ts"
import * as ExecError from "../ExecError.ts"
import type { SpawnOptions } from "../ExecOptions.ts"
import type { Policy } from "../Policy.ts"
import { Ending } from "./ending.ts"
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
 *
 * What watches the process runs in `context`: in the caller's own it would keep his spans as long as the process lives.
 */
export const supervise = Effect.fnUntraced(function* <E, R>(
  backend: Backend,
  request: SpawnRequest,
  policy: Policy,
  stdin: SpawnOptions<E, R>["stdin"],
  context: Context.Context<never>
): Effect.fn.Return<Supervised<E>, ExecError.ExecError, R | Scope.Scope> {
  const scope = yield* Scope.Scope
  // Fibers forked into a closed scope never run: nobody would see the end of such a process.
  if (scope.state._tag === "Closed") {
    return yield* ExecError.make(new ExecError.Closed({ what: "scope in which to start the process" }))
  }
  const clock = yield* Clock.Clock
  const forkHere = <R2>(effect: Effect.Effect<void, never, R2>) =>
    Effect.forkIn(effect, scope, { startImmediately: true })
  const fork = (effect: Effect.Effect<void>) =>
    forkHere(Effect.updateContext(effect, (_: Context.Context<never>) => context))

  const running = yield* backend.spawn(request)
  const ending = new Ending<E>(backend, request.id, policy, running, clock)
  const reading = new Reading(ending, fork)
  yield* Metric.update(telemetry.processes, 1)
  yield* fork(Effect.andThen(ending.watch, reading.closeWhenQuiet))
  if (Duration.isFinite(policy.timeout)) {
    yield* fork(Effect.andThen(Effect.sleep(policy.timeout), reading.timeOut))
  }
  if (stdin !== undefined && stdin !== "open") {
    yield* forkHere(Effect.catchCause(feed(running, stdin), (cause) => ending.endWith(cause)))
  }
  // Added last, so that it runs first, while the fibers above still see what happens.
  yield* Scope.addFinalizer(scope, release(ending, reading))
  return { ending, reading }
})

// The consumer is gone by now, and what nobody reads would keep a process from ending by itself. Made when it is needed:
// ten thousand idle processes would each hold it.
const release = <E>(ending: Ending<E>, reading: Reading<E>): Effect.Effect<void> =>
  Effect.suspend(() =>
    Effect.andThen(
      Effect.raceFirst(ending.endBecauseUnwanted, Effect.andThen(reading.discard, Effect.never)),
      reading.release
    )
  )
