/**
 * Writing to the stdin of one command, as far as the agent gives credit.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { ExecError } from "effect-exec/ExecError"
import { maxPayload } from "./protocol.ts"

/** What the command's stdin is written with. */
export interface Writer {
  readonly write: (bytes: Uint8Array) => void
  readonly eof: () => void
}

export class Input {
  private readonly to: Writer
  private readonly exited: Effect.Effect<never, ExecError>
  private credit: number
  // Why nothing can be written any more, once that is so.
  private closed: Effect.Effect<never, ExecError> | undefined
  private wake: (() => void) | undefined
  // Writes are not mixed: the next one begins when all of this one went.
  private readonly turn = Semaphore.makeUnsafe(1)

  /** `exited` is what a write fails with when nobody reads any more. */
  constructor(to: Writer, credit: number, exited: Effect.Effect<never, ExecError>) {
    this.to = to
    this.credit = credit
    this.exited = exited
  }

  /** The process took some bytes. */
  give(bytes: number): void {
    this.credit += bytes
    this.wake?.()
  }

  /** Nobody reads any more, or the connection is lost. The first reason counts. */
  close(reason = this.exited): void {
    if (this.closed !== undefined) return
    this.closed = reason
    this.wake?.()
  }

  /** See `Running.write`. */
  write(bytes: Uint8Array): Effect.Effect<void, ExecError> {
    return this.turn.withPermit(this.writeFrom(bytes, 0))
  }

  private writeFrom(bytes: Uint8Array, from: number): Effect.Effect<void, ExecError> {
    return Effect.suspend(() => {
      let at = from
      if (this.closed !== undefined) return this.closed
      while (at < bytes.length && this.credit > 0) {
        const size = Math.min(bytes.length - at, this.credit, maxPayload)
        this.credit -= size
        this.to.write(bytes.subarray(at, at + size))
        at += size
      }
      return at === bytes.length ? Effect.void : Effect.flatMap(this.room, () => this.writeFrom(bytes, at))
    })
  }

  /** See `Running.closeStdin`. After the writes before it. */
  get end(): Effect.Effect<void> {
    return this.turn.withPermit(
      Effect.sync(() => {
        if (this.closed !== undefined) return
        this.closed = this.exited
        this.to.eof()
      })
    )
  }

  private get room(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      // A fiber may yield to others between its look and this.
      if (this.credit > 0 || this.closed !== undefined) return resume(Effect.void)
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
