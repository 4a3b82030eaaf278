/**
 * Where in a trace a command was asked for, as `traceparent` of W3C Trace Context says it.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** The span that runs now, if there is one. */
export const current: Effect.Effect<string | undefined> = Effect.map(
  Effect.option(Effect.currentParentSpan),
  Option.match({
    onNone: () => undefined,
    onSome: ({ sampled, spanId, traceId }) => `00-${traceId.padStart(32, "0")}-${spanId}-${sampled ? "01" : "00"}`
  })
)
