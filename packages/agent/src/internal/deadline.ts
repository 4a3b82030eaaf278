/**
 * Deadlines for what another process does. By the machine's clock and not the program's: under a test's virtual clock
 * an agent that hangs would else hang the test.
 */
import * as Effect from "effect/Effect"
import { web } from "./web.ts"

const sleep = (millis: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = web.setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => web.clearTimeout(timer))
  })

/** The effect, or the other one when the time has passed; then the first is interrupted. */
export const within = <A, E, R, A2, E2, R2>(
  effect: Effect.Effect<A, E, R>,
  millis: number,
  orElse: () => Effect.Effect<A2, E2, R2>
): Effect.Effect<A | A2, E | E2, R | R2> => Effect.raceFirst(effect, Effect.flatMap(sleep(millis), orElse))
