/**
 * The time of one process: what it is at the last thing that is known to have happened to it.
 *
 * How long a process ran is what is between two of those, so that the recording and its replay say the same.
 */
import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"

const nanosPerMilli = 1_000_000

// A timer may be this early, and still be what happened then.
const tolerance = 2

/** A clock that stands still until something happens. */
export class ProcessClock implements Clock.Clock {
  private startedAt: number
  private elapsed = 0
  private readonly sleeping = new Set<{ readonly until: number; readonly latch: Latch.Latch }>()
  readonly real: Clock.Clock

  constructor(clock: Clock.Clock) {
    // Within the time of another process, real time is still what that one goes by.
    this.real = clock instanceof ProcessClock ? clock.real : clock
    this.startedAt = Math.floor(this.real.currentTimeMillisUnsafe())
  }

  /** Begins, at so many milliseconds since 1970. */
  start(startedAt: number): void {
    this.startedAt = startedAt
  }

  /** So many milliseconds have passed since the start. */
  advance(elapsed: number): void {
    this.elapsed = Math.max(this.elapsed, elapsed)
  }

  /** The same, in a replay: whoever sleeps until then wakes up. */
  advanceAndWake(elapsed: number): void {
    this.advance(elapsed)
    for (const { latch, until } of Array.from(this.sleeping).toSorted((a, b) => a.until - b.until)) {
      if (until <= this.elapsed + tolerance) latch.openUnsafe()
    }
  }

  currentTimeMillisUnsafe(): number {
    return Math.floor(this.startedAt + this.elapsed)
  }

  currentTimeNanosUnsafe(): bigint {
    return BigInt(this.startedAt) * BigInt(nanosPerMilli) + BigInt(Math.round(this.elapsed * nanosPerMilli))
  }

  monotonicTimeNanosUnsafe(): bigint {
    return this.currentTimeNanosUnsafe()
  }

  readonly currentTimeMillis = Effect.sync(() => this.currentTimeMillisUnsafe())
  readonly currentTimeNanos = Effect.sync(() => this.currentTimeNanosUnsafe())
  readonly monotonicTimeNanos = this.currentTimeNanos

  /** Until the process has come that far, or real time has: it may have to be something else that happens now. */
  sleep(duration: Duration.Duration): Effect.Effect<void> {
    return Effect.suspend(() => {
      const sleeper = { until: this.elapsed + Duration.toMillis(duration), latch: Latch.makeUnsafe(false) }
      this.sleeping.add(sleeper)
      return Effect.ensuring(
        Effect.raceFirst(sleeper.latch.await, this.real.sleep(duration)),
        Effect.sync(() => this.sleeping.delete(sleeper))
      )
    })
  }
}
