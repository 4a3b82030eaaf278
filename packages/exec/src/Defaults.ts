/**
 * The defaults of the options, in one place: read at every call, in the caller's context.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** What an option means when it is absent. */
export interface Defaults {
  /** Of `run` alone: 30 s. `stream`, `spawn` and `detach` have none. */
  readonly timeout: Duration.Input
  /** Of `run` alone: 10 MiB. `stream`, `spawn` and `detach` have none. */
  readonly maxOutput: number
  /** Between TERM and KILL: 2 s. */
  readonly grace: Duration.Input
  /** How long to wait for the end of a tree after KILL before it counts as left over: 5 s. */
  readonly killDeadline: Duration.Input
  /** The capacity of the ring of a detached process: 1 MiB. */
  readonly ring: number
}

/** What an option means when it is absent. */
export const Defaults = Context.Reference<Defaults>("effect-exec/Defaults", {
  // Durations and not texts, so that all processes share them.
  defaultValue: () => ({
    timeout: Duration.seconds(30),
    maxOutput: 10 * 1024 * 1024,
    grace: Duration.seconds(2),
    killDeadline: Duration.seconds(5),
    ring: 1024 * 1024
  })
})

/**
 * Changes some of the defaults for an effect.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const program = Exec.run(Command.make("sleep", ["60"])).pipe(
 *   Exec.withDefaults({ timeout: "50 millis" }),
 *   Effect.map((result) => result.timedOut),
 *   Effect.provide(LocalExec.layer)
 * )
 *
 * await Effect.runPromise(program) // => true
 * ```
 */
export const withDefaults =
  (defaults: Partial<Defaults>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.flatMap(Defaults, (outer) => Effect.provideService(effect, Defaults, { ...outer, ...defaults }))
