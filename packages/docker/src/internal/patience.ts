/**
 * How long an engine may do nothing while it is waited for. What it does in all may take as long as it likes: a large
 * archive over a slow line is no reason to give up, a silent engine is. By the machine's clock, as all deadlines.
 */
import type { EngineFailure } from "./failure.ts"

/** So much of an archive is given at a time: whether a slow engine takes anything is seen piece by piece. */
const pieceSize = 64 * 1024

/**
 * Patience is lost bit by bit. A program that was itself held up, or a machine that slept, has everything to catch up
 * with: that costs one bit, and not all.
 */
const bits = 8

/** One call's. */
export class Patience {
  readonly millis: number
  private readonly over = new AbortController()
  private timer: NodeJS.Timeout | undefined

  constructor(millis: number) {
    this.millis = millis
  }

  /** Aborts the call at the end of patience, or when it is given up. */
  get signal(): AbortSignal {
    return this.over.signal
  }

  /** Whoever it is about is waited for from now on. */
  wait(): void {
    this.lose(bits)
  }

  private lose(left: number): void {
    clearTimeout(this.timer)
    this.timer = setTimeout(
      () => (left === 1 ? this.over.abort(this.failure) : this.lose(left - 1)),
      this.millis / bits
    )
  }

  /** It is somebody else's turn. */
  rest(): void {
    clearTimeout(this.timer)
  }

  /** Nobody wants it any more. */
  giveUp(): void {
    this.rest()
    this.over.abort(cancelled)
  }

  /** What a call fails with: why it was aborted, or else this. */
  reason(cause: unknown): unknown {
    return this.signal.aborted ? this.signal.reason : cause
  }

  /** Bytes that are waited for: not while nobody asks for them. */
  async *reading(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      this.wait()
      for await (const chunk of source) {
        this.rest()
        yield chunk
        this.wait()
      }
    } catch (cause) {
      throw this.reason(cause)
    } finally {
      this.rest()
    }
  }

  /** Bytes that somebody takes: he is waited for, and not whoever makes them. */
  async *giving(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    this.rest()
    for await (const chunk of source) {
      for (let at = 0; at < chunk.length; at += pieceSize) {
        this.wait()
        yield chunk.subarray(at, at + pieceSize)
      }
      this.rest()
    }
    // For the answer.
    this.wait()
  }

  private get failure(): EngineFailure & { readonly message: string } {
    const text = `it did nothing for ${this.millis} ms`
    return { code: "ETIMEDOUT", text, message: text }
  }
}

const cancelled = { code: "ECANCELED", message: "given up" }
