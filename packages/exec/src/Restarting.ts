/**
 * Something that is started when it is first needed, and again when it has ended by itself.
 * For backends whose other side can go away.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { ExecError } from "./ExecError.ts"

/** What can be seen of what was started. */
export interface Live {
  readonly hasEnded: () => boolean
}

/**
 * Gives the one that lives, starting it if there is none. Closing the scope ends it. A start that fails is tried again
 * by whoever comes next.
 */
export const make = <A extends Live>(
  start: Effect.Effect<A, ExecError, Scope.Scope>
): Effect.Effect<Effect.Effect<A, ExecError>, never, Scope.Scope> =>
  Effect.gen(function* () {
    // Made now, so that it closes after all that is built on it: what still runs is ended in its own way first.
    const all = yield* Effect.flatMap(Effect.scope, Scope.fork)
    const starting = Semaphore.makeUnsafe(1)
    let live: { readonly it: A; readonly scope: Scope.Closeable } | undefined

    const current = (): A | undefined => (live?.it.hasEnded() === false ? live.it : undefined)
    const begin = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if (live !== undefined) yield* Scope.close(live.scope, Exit.void)
        live = undefined
        const scope = yield* Scope.fork(all)
        const it = yield* restore(Scope.provide(start, scope)).pipe(Effect.onError(() => Scope.close(scope, Exit.void)))
        live = { it, scope }
        return it
      })
    )
    const orElse = (other: Effect.Effect<A, ExecError>): Effect.Effect<A, ExecError> =>
      Effect.suspend(() => {
        const it = current()
        return it === undefined ? other : Effect.succeed(it)
      })
    return orElse(starting.withPermit(orElse(begin)))
  })
