/**
 * Commands as part of the traces in which clients asked for them.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ClientMessage } from "@effect-exec/capsule/Wire"

/** A span for what starts a command, under the client's. */
export const traced = <A, E>(
  message: ClientMessage,
  effect: Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A, E, Scope.Scope> => {
  if (message._tag !== "Start" && message._tag !== "Detach") return effect
  const { command, trace } = message
  const parent = trace === undefined ? Option.none() : HttpTraceContext.w3c(Headers.fromInput({ traceparent: trace }))
  return Effect.withSpan(effect, `CapsuleServer.${message._tag}`, {
    kind: "server",
    // Not its arguments, which may be secrets.
    attributes: { "process.executable.name": command.argv[0] },
    ...(Option.isSome(parent) ? { parent: parent.value } : { root: true })
  })
}
