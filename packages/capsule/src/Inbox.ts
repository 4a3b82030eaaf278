/**
 * What has arrived on one channel, for one consumer. How much that can be is what credit was given.
 */
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import { type ExtraBudget, ReceiveWindow } from "./ReceiveWindow.ts"

/** What every channel has at first: enough for most commands, little enough for thousands that nobody reads. */
export const initialCredit = 256 * 1024

/** What has arrived on one channel. */
export class Inbox<A, E = never> {
  private readonly costOf: (item: A) => number
  private readonly window: ReceiveWindow
  // From `index` on; what was taken from before it is let go of, also while more comes without a pause.
  private items: Array<A | undefined> = []
  private index = 0
  private held = 0
  private end: Pull.Pull<never, E> | undefined
  private wake: (() => void) | undefined

  /** `costOf` says what an item costs of the credit; `grant` gives more of it than there was at first. */
  constructor(
    budget: ExtraBudget,
    costOf: (item: A) => number,
    grant: (bytes: number) => void,
    initial = initialCredit
  ) {
    this.costOf = costOf
    this.window = new ReceiveWindow(initial, budget, grant)
  }

  /** Something came; what is wrong with that, if anything is. */
  add(item: A): string | undefined {
    const cost = this.costOf(item)
    if (!this.window.arrived(cost)) return "bytes beyond credit"
    if (this.end !== undefined) return undefined
    this.held += cost
    this.items.push(item)
    this.wake?.()
    return undefined
  }

  /** Whether nothing more comes. */
  get hasFinished(): boolean {
    return this.end !== undefined
  }

  /** Nothing more comes: with `Done`, or with why. The first reason counts. */
  finish(end: Pull.Pull<never, E>): void {
    if (this.end !== undefined) return
    this.end = end
    this.window.close()
    this.wake?.()
  }

  /** Nobody will read any more: what waits is let go of, and who reads all the same learns why. */
  drop(end: Pull.Pull<never, E>): void {
    if (this.end === undefined) this.finish(end)
    else if (this.items.length > 0) this.end = end
    this.items = []
    this.index = 0
    this.held = 0
  }

  /** The next one. In one step with the taking, so that no interruption can come between the two. */
  get pull(): Pull.Pull<readonly [A], E> {
    return Effect.suspend(() => this.next())
  }

  private next(): Pull.Pull<readonly [A], E> {
    if (this.index === this.items.length) return this.end ?? Effect.flatMap(this.more, () => this.next())
    const item = this.items[this.index] as A
    this.items[this.index++] = undefined
    if (this.index === this.items.length || (this.index > 1024 && this.index > this.items.length / 2)) {
      this.items = this.items.slice(this.index)
      this.index = 0
    }
    const cost = this.costOf(item)
    this.held -= cost
    if (this.end === undefined && cost > 0) this.window.consumed(cost, this.held)
    return Effect.succeed([item] as const)
  }

  private get more(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      // A fiber may yield to others between its look and this.
      if (this.items.length > 0 || this.end !== undefined) return resume(Effect.void)
      this.window.waited()
      this.wake = () => {
        this.wake = undefined
        resume(Effect.void)
      }
      return Effect.sync(() => {
        this.wake = undefined
      })
    })
  }
}
