/**
 * Something that is started when it is first needed, and again when it has ended by itself.
 * For backends whose other side can go away.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as ExecError from "./ExecError.ts"

/** What can be seen of what was started. */
export interface Live {
  readonly hasEnded: () => boolean
}

const closed = ExecError.make(new ExecError.Closed({ what: "layer that commands were to run in" }))

/**
 * Gives the one that lives, starting it if there is none. Closing the scope ends it, and whoever comes then, or waits for
 * it, fails with `Closed`. A start that fails is tried again by whoever comes next.
 */
export const make = <A extends Live>(
  start: Effect.Effect<A, ExecError.ExecError, Scope.Scope>
): Effect.Effect<Effect.Effect<A, ExecError.ExecError>, never, Scope.Scope> =>
  Effect.gen(function* () {
    // Made now, so that it closes after all that is built on it: what still runs is ended in its own way first.
    const all = yield* Effect.flatMap(Effect.scope, Scope.fork)
    const starting = Semaphore.makeUnsafe(1)
    let live: { readonly it: A; readonly scope: Scope.Closeable } | undefined
    // What is started in a scope that is closed would be interrupted, and never come.
    const end = Deferred.makeUnsafe<never, ExecError.ExecError>()
    yield* Effect.addFinalizer(() => Deferred.fail(end, closed))

    const current = (): A | undefined => (live?.it.hasEnded() === false ? live.it : undefined)
    const begin = Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        if (live !== undefined) yield* Scope.close(live.scope, Exit.void)
        live = undefined
        const scope = yield* Scope.fork(all)
        const started = Effect.raceFirst(Scope.provide(start, scope), Deferred.await(end))
        const it = yield* restore(started).pipe(Effect.onError(() => Scope.close(scope, Exit.void)))
        live = { it, scope }
        return it
      })
    )
    const orElse = (other: Effect.Effect<A, ExecError.ExecError>): Effect.Effect<A, ExecError.ExecError> =>
      Effect.suspend(() => {
        if (Deferred.isDoneUnsafe(end)) return Deferred.await(end)
        const it = current()
        return it === undefined ? other : Effect.succeed(it)
      })
    return orElse(starting.withPermit(orElse(begin)))
  })
