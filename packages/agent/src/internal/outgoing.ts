/**
 * The direction to the agent: whatever is said in one turn of the event loop goes out in one write.
 */
import * as Effect from "effect/Effect"
import type { Pipe, PipeFailure } from "../Pipe.ts"
import { Encoder } from "./encoder.ts"
import { web } from "./web.ts"

export class Outgoing {
  private readonly pipe: Pipe
  // Two, because one may be in the kernel's hands while the next batch is written.
  private filling = new Encoder()
  private writing = new Encoder()
  private given = 0
  private resume: ((effect: Effect.Effect<void>) => void) | undefined
  private isScheduled = false

  constructor(pipe: Pipe) {
    this.pipe = pipe
  }

  /** Puts a frame; false when it is too long for its kind. */
  put(encode: (to: Encoder) => boolean): boolean {
    const isWhole = encode(this.filling)
    if (isWhole && this.resume !== undefined && !this.isScheduled) {
      this.isScheduled = true
      web.queueMicrotask(this.begin)
    }
    return isWhole
  }

  private readonly begin = (): void => {
    const { resume } = this
    this.isScheduled = false
    this.resume = undefined
    resume?.(Effect.void)
  }

  /** Where the next frame begins, counted in bytes from the first one. */
  get position(): number {
    return this.given + this.filling.length
  }

  /** Whether anything before this position may have reached the pipe. */
  hasGiven(position: number): boolean {
    return this.given >= position
  }

  /** Writes what is put, for ever. Fails when the pipe does. */
  get run(): Effect.Effect<never, PipeFailure> {
    return Effect.forever(
      Effect.flatMap(this.ready, () => {
        const batch = this.filling
        this.filling = this.writing
        this.filling.clear()
        this.writing = batch
        this.given += batch.length
        return this.pipe.write(batch.written)
      }),
      { disableYield: true }
    )
  }

  private readonly ready: Effect.Effect<void> = Effect.callback((resume) => {
    if (this.filling.length > 0) return resume(Effect.void)
    this.resume = resume
  })
}
