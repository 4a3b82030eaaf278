/**
 * Commands as operators see them: in the traces in which clients asked for them, and in the log.
 */
import * as Effect from "effect/Effect"
import * as Headers from "effect/http/Headers"
import * as HttpTraceContext from "effect/http/HttpTraceContext"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ClientMessage } from "@effect-exec/capsule/Wire"

/** Logs what starts a command, and gives it a span under the client's. Of the command both tell the program alone. */
export const observed = <A, E>(
  message: ClientMessage,
  effect: Effect.Effect<A, E, Scope.Scope>
): Effect.Effect<A, E, Scope.Scope> => {
  if (message._tag !== "Start" && message._tag !== "Detach") return effect
  const { command, id, tag, trace } = message
  const program = command.argv[0]
  const parent = trace === undefined ? Option.none() : HttpTraceContext.w3c(Headers.fromInput({ traceparent: trace }))
  const log = Effect.logDebug(
    message._tag === "Start" ? "A command was asked for" : "A command was asked for, detached"
  )
  return Effect.andThen(
    Effect.annotateLogs(log, { program, process: id, ...(tag === undefined ? {} : { tag }) }),
    effect
  ).pipe(
    Effect.withSpan(`CapsuleServer.${message._tag}`, {
      kind: "server",
      attributes: { "process.executable.name": program },
      ...(Option.isSome(parent) ? { parent: parent.value } : { root: true })
    })
  )
}
