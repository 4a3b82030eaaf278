/**
 * Waiting in real time. What the kernel does takes real time whatever the program's `Clock` says: with Effect's own
 * timers a kill would never be verified under `TestClock`.
 */
import * as Effect from "effect/Effect"

/** Resolves after the time, or at once when the signal aborts. Leaves no timer and no listener behind. */
export const sleep = (millis: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener("abort", done)
      resolve()
    }
    const timer = setTimeout(done, millis)
    if (signal.aborted) return done()
    signal.addEventListener("abort", done)
  })

/** Asks until the answer is yes: at once, then after 1 ms, 2 ms … 20 ms. Interruption ends it. */
export const until = (ask: () => Promise<boolean>): Effect.Effect<void> =>
  Effect.callback<void>((resume, signal) => {
    const loop = async () => {
      for (let pause = 1; !signal.aborted; pause = Math.min(pause * 2, 20)) {
        if (await ask()) return resume(Effect.void)
        await sleep(pause, signal)
      }
    }
    loop().catch((defect) => resume(Effect.die(defect)))
  })
