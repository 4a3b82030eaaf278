/**
 * Trying again what a cut may have spoilt.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Host from "effect-exec/Host"

const times = 2
const firstDelay = 50

/**
 * Does it a second and a third time when it fails in such a way. Not by a schedule: those go by Effect's clock, and under a test's a
 * real server would be waited for without end.
 */
export const again = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  isWorthIt: (error: E) => boolean,
  left = times
): Effect.Effect<A, E, R> =>
  effect.pipe(
    Effect.catch((error) =>
      left === 0 || !isWorthIt(error)
        ? Effect.fail(error)
        : Effect.andThen(
            Host.sleep(Duration.millis(firstDelay * 2 ** (times - left))),
            again(effect, isWorthIt, left - 1)
          )
    )
  )
