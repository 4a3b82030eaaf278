/**
 * Deadlines for what the operating system does: the end of a tree after TERM, the quiet of a pipe.
 *
 * They pass by whichever clock is first, Effect's or the machine's. Under a test's virtual clock a real process would
 * else never be killed, and closing its scope would hang the test; a virtual process still dies in virtual time.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { web } from "./web.ts"

// The longest delay that timers take; a longer one would fire at once.
const maxTimer = 0x7fff_ffff

const machineSleep = (duration: Duration.Duration): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const millis = Duration.toMillis(duration)
    if (millis > maxTimer) return Effect.void
    const timer = web.setTimeout(() => resume(Effect.void), millis)
    return Effect.sync(() => web.clearTimeout(timer))
  })

/** Sleeps until either clock has reached the duration. */
export const sleep = (duration: Duration.Duration): Effect.Effect<void> =>
  Effect.raceFirst(Effect.sleep(duration), machineSleep(duration))

/** Whether the effect ended in time; it is interrupted when it did not. */
export const within = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  duration: Duration.Duration
): Effect.Effect<boolean, E, R> => Effect.raceFirst(Effect.as(effect, true), Effect.as(sleep(duration), false))
