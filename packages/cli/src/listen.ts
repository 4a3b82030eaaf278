/**
 * Node's events, handled for as long as a scope is open.
 */
import type { EventEmitter } from "node:events"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

/** Runs the effect for every event, each by itself; what still runs when the scope closes is interrupted. */
export const listen = (
  emitter: EventEmitter,
  event: string,
  handler: Effect.Effect<void>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(FiberSet.makeRuntime<never>(), (run) => {
    const listener = () => void run(handler)
    return Effect.acquireRelease(
      Effect.sync(() => void emitter.on(event, listener)),
      () => Effect.sync(() => void emitter.off(event, listener))
    )
  })
