/**
 * What one command wrote and nobody took yet, bounded by the credit that the agent was given.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Listener, Output as Chunk, Running } from "effect-exec/Backend"
import type { ExecError } from "effect-exec/ExecError"
import type { Adopted, PipeFailure, Reader } from "../Pipe.ts"

/**
 * How much of a stream may be on its way or waiting here, at first and at most. A pipe holds 64 KiB, so that the first
 * one keeps a command going while credit travels; it doubles for a consumer that waits for bytes, never for one that makes bytes
 * wait, so that a thousand stalled readers hold little.
 */
export const firstWindow = 256 * 1024
const maxWindow = 2 * 1024 * 1024

/** How much of an adopted pipe may wait here; the next bytes stay in the pipe, and then the process waits. */
const maxHeld = 1024 * 1024

/** The credit of one stream. */
interface Credit {
  readonly fd: 1 | 2
  window: number
  /** What the agent may still send. */
  left: number
  /** What arrived and was not taken. */
  held: number
  /** What was taken since the window grew. */
  taken: number
}

/** What gives credit to the agent. */
interface Granter {
  readonly grant: (fd: 1 | 2, bytes: number) => void
}

const creditOf = (fd: 1 | 2): Credit => ({ fd, window: firstWindow, left: firstWindow, held: 0, taken: 0 })

export class Output {
  private readonly granter: Granter
  private readonly stdout = creditOf(1)
  private readonly stderr = creditOf(2)
  private chunks: Array<Chunk> = []
  // Nothing more comes: `end` of the bytes, or of the connection.
  private isEnded = false
  private lost: ExecError | undefined
  // Who waits. Kept as it came: V8 allocates closures that are assigned to a property among the old objects, and with
  // output beside the heap it then collects all of it every few megabytes.
  private resume: ((effect: Effect.Effect<void>) => void) | undefined
  // Who does not wait in a fiber, and wants to be told once.
  private sleeper: Pick<Listener, "readable"> | undefined
  private hasWaited = false
  // Which streams brought something: bit 1 stdout, bit 2 stderr.
  private flowing = 0
  private adopted: Adopted | undefined
  // What was read from it and not taken.
  private adoptedHeld = 0
  // The agent has no more of it, so that only the adopted pipe is left.
  private isLast = false

  constructor(granter: Granter) {
    this.granter = granter
  }

  /** Takes what arrived; false when it is more than the agent was allowed. Call `flush` after the last one. */
  arrived(fd: 1 | 2, bytes: Uint8Array): boolean {
    const credit = fd === 1 ? this.stdout : this.stderr
    credit.left -= bytes.length
    if (this.isEnded) return true
    this.flowing |= fd
    credit.held += bytes.length
    this.chunks.push({ fd, bytes })
    return credit.left >= 0
  }

  /** Hands what arrived to whoever waits for it. */
  flush(): void {
    const { resume, sleeper } = this
    this.resume = undefined
    this.sleeper = undefined
    resume?.(Effect.void)
    sleeper?.readable()
  }

  /**
   * Reads a stream by itself from here on, after what has arrived; false when it does not. Where both streams bring something
   * it does not, because the order in which they do would be lost.
   */
  adopt(
    fd: 1 | 2,
    open: (reader: Reader) => Adopted | undefined,
    failed: (failure: PipeFailure) => ExecError
  ): boolean {
    if (this.isEnded || this.adopted !== undefined || this.flowing !== fd) return false
    this.adopted = open({
      take: (bytes) => {
        this.chunks.push({ fd, bytes })
        this.adoptedHeld += bytes.length
        return this.adoptedHeld < maxHeld
      },
      flush: () => this.flush(),
      ended: (failure) => {
        this.adopted = undefined
        if (failure !== undefined) this.end(failed(failure))
        else if (this.isLast) this.end()
      }
    })
    return this.adopted !== undefined
  }

  /** The agent will send no more of it: the end, once an adopted pipe is at its own. */
  last(): void {
    this.isLast = true
    if (this.adopted === undefined) this.end()
  }

  /** No more is taken; what arrived is still given, and then the end, or the loss. The first end counts. */
  end(lost?: ExecError): void {
    if (this.isEnded) return
    // In the pipe may be the last words of a process that has ended.
    this.adopted?.drain()
    this.stop(lost)
  }

  private stop(lost?: ExecError): void {
    this.adopted?.close()
    this.adopted = undefined
    this.isEnded = true
    this.lost = lost
    this.flush()
  }

  /** Whether nothing more will be taken. */
  get hasEnded(): boolean {
    return this.isEnded
  }

  /** Forgets what nobody will take. */
  drop(): void {
    this.chunks = []
    if (!this.isEnded) this.stop()
  }

  /** See `Running.pull`. */
  get pull(): Running["pull"] {
    return Effect.suspend(() => this.next())
  }

  /** See `Running.whenReadable`. */
  whenReadable(listener: Pick<Listener, "readable">): boolean {
    if (this.isReadable) return false
    this.hasWaited = true
    this.sleeper = listener
    return true
  }

  private get isReadable(): boolean {
    return this.chunks.length > 0 || this.isEnded
  }

  private next(): Running["pull"] {
    if (this.chunks.length > 0) return this.take
    if (this.isEnded) return this.lost === undefined ? Cause.done() : Effect.fail(this.lost)
    return Effect.flatMap(this.waiting, () => this.next())
  }

  // In one step with the delivery, so that no interruption can come between the two and lose bytes.
  private get take(): Running["pull"] {
    return Effect.sync(() => {
      const taken = this.chunks as [Chunk, ...Array<Chunk>]
      this.chunks = []
      if (!this.isEnded) {
        this.refill(this.stdout)
        this.refill(this.stderr)
        if (this.adoptedHeld > 0) this.goOn()
      }
      this.hasWaited = false
      return taken
    })
  }

  private goOn(): void {
    const isStopped = this.adoptedHeld >= maxHeld
    this.adoptedHeld = 0
    if (isStopped) this.adopted?.resume()
  }

  // Gives credit back in few and large grants: each is a write here and a wake-up there.
  private refill(credit: Credit): void {
    credit.taken += credit.held
    credit.held = 0
    if (this.hasWaited && credit.taken > credit.window && credit.window < maxWindow) {
      credit.window *= 2
      credit.taken = 0
    }
    const owed = credit.window - credit.left
    if (owed < credit.window / 4) return
    credit.left += owed
    this.granter.grant(credit.fd, owed)
  }

  // Made for each wait: what ten thousand idle commands kept ready would cost more than they do.
  private get waiting(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      // A fiber may yield to others between its look and this.
      if (this.isReadable) return resume(Effect.void)
      this.hasWaited = true
      this.sleeper = undefined
      this.resume = resume
      return Effect.sync(() => {
        this.resume = undefined
      })
    })
  }
}
