/**
 * Sandboxes that are ready before they are needed: a program takes one when it begins, and nobody gets it after that.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec, ExecPool } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const greet = (name: string) => Exec.run(Command.make("echo", [name])).pipe(Effect.map((result) => result.stdout))
 *
 * const program = Effect.scoped(
 *   Effect.gen(function* () {
 *     // With containers, say: DockerExec.layerContainer({ image })
 *     const pool = yield* ExecPool.make(LocalExec.layer, { size: 2 })
 *     return yield* Effect.forEach(["a", "b", "c"], (name) => Effect.provide(greet(name), pool), { concurrency: 2 })
 *   })
 * )
 *
 * await Effect.runPromise(program) // => ["a\n", "b\n", "c\n"]
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Pool from "effect/Pool"
import type * as Scope from "effect/Scope"
import { Exec } from "./Exec.ts"
import type { ExecError } from "./ExecError.ts"

/** How many, and whether used ones are handed out again. */
export interface Options {
  /** How many sandboxes are ready or in use. */
  readonly size: number
  /**
   * Gives a sandbox that was used to the next one, with all that was left in it. False by default: it is closed, and
   * a new one made ready in its place.
   */
  readonly reuse?: boolean | undefined
}

/**
 * Makes so many sandboxes ready, in the background, and gives a layer of which each use takes one, waiting while all are
 * in use. Closing the scope closes all of them.
 *
 * A sandbox that could not be made ready fails the program that was to get it, and is tried again for the next one.
 */
export const make = Effect.fnUntraced(function* <E, R>(
  sandbox: Layer.Layer<Exec, E, R>,
  { reuse = false, size }: Options
): Effect.fn.Return<Layer.Layer<Exec, E | ExecError>, never, R | Scope.Scope> {
  const acquire = Effect.gen(function* () {
    const exec = Context.get(yield* Layer.build(Layer.fresh(sandbox)), Exec)
    // Most are started by the first that is asked of them.
    yield* exec.capabilities
    return exec
  })
  const pool = yield* Pool.make({ acquire, size })
  const lease = reuse
    ? Pool.get(pool)
    : Effect.tap(Pool.get(pool), (exec) => Effect.addFinalizer(() => Pool.invalidate(pool, exec)))
  // Each use builds it anew, also within one program.
  return Layer.fresh(Layer.effect(Exec, lease))
})
