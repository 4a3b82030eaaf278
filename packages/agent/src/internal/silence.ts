/**
 * An agent that says nothing: it has nothing to say, or is busy, or the place where it runs stands still, as a paused
 * container does. That cannot be told from here: whoever keeps the place is asked, and only while somebody waits.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { web } from "./web.ts"

/** A place in which nothing runs for now; see `SandboxNotRunning`. */
export interface Standstill {
  readonly sandbox: string
  /** `paused` … */
  readonly state: string
}

/** Longer than an agent that runs takes to answer, on most machines; on the others a question more is asked. */
const silentMillis = 250

/** Questions about one silence become rarer. */
const maxMillis = 4000

// Not by `deadline`: whoever waits keeps the program alive, and not that he might have to be told something.
const sleep = (millis: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = web.setTimeout(() => resume(Effect.void), millis) as { readonly unref?: () => void }
    timer.unref?.()
    return Effect.sync(() => web.clearTimeout(timer))
  })

/** Who waits for an answer. */
export interface Waiting {
  /** Whether somebody does. */
  readonly isWaiting: boolean
  /** Tells them that none comes for now. After that nobody waits. */
  still(standstill: Standstill): void
}

export class Silence {
  private readonly ask: Effect.Effect<Standstill | undefined>
  private readonly waiting: Waiting
  private readonly expected = Latch.makeUnsafe(false)
  private heardAt = web.performance.now()

  constructor(ask: Effect.Effect<Standstill | undefined>, waiting: Waiting) {
    this.ask = ask
    this.waiting = waiting
  }

  /** Something came. */
  heard(): void {
    this.heardAt = web.performance.now()
  }

  /** Somebody waits now. */
  expect(): void {
    this.expected.openUnsafe()
  }

  /** Nothing came for so long that the place may stand still. */
  get isLong(): boolean {
    return web.performance.now() - this.heardAt >= silentMillis
  }

  /** Watches, for ever. */
  get run(): Effect.Effect<never> {
    return Effect.forever(Effect.andThen(this.expected.await, this.watch))
  }

  private readonly watch = Effect.gen({ self: this }, function* () {
    this.expected.closeUnsafe()
    for (let millis = silentMillis; this.waiting.isWaiting;) {
      yield* sleep(millis)
      if (!this.isLong) {
        millis = silentMillis
        continue
      }
      if (!this.waiting.isWaiting) return
      const standstill = yield* this.ask
      // Whoever waits after that is expected anew.
      if (standstill !== undefined && this.isLong) return this.waiting.still(standstill)
      millis = Math.min(millis * 2, maxMillis)
    }
  })
}
