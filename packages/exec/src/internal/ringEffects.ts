/**
 * A ring as effects and streams: what waits, what wakes it, and what its interruption leaves behind.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Channel from "effect/Channel"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ExecError from "../ExecError.ts"
import type { Overflow } from "../ExecOptions.ts"
import type { Chunk, FromOptions, Gap, Held, RingBuffer } from "../RingBuffer.ts"
import * as check from "./check.ts"
import { type Reader, Ring, type Writer } from "./ring.ts"

/** A ring of which nobody but the caller knows: its memory goes with it, or with `close`. */
export const make = (capacity: number, overflow: Overflow = "evict"): Effect.Effect<RingEffects, ExecError.ExecError> =>
  Effect.map(check.ring(capacity, overflow), () => new RingEffects(capacity, overflow))

const closed = (what: string) => ExecError.make(new ExecError.Closed({ what }))
const invalid = (field: string, problem: string) => ExecError.make(new ExecError.InvalidCommand({ field, problem }))

// Who is woken goes on from its own dispatcher: never on the stack of the writer, and once for all of one tick.
const woken = Effect.yieldNow

// Getters, for an effect held by each of ten thousand idle rings would cost more than the ring; and one object with what
// it decides, for the same reason.
export class RingEffects extends Ring implements RingBuffer {
  get capacity(): number {
    return this.storage.capacity
  }

  append(fd: 1 | 2, bytes: Uint8Array): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      if (this.refuses) return Effect.fail(this.refusal)
      const length = this.offer(fd, bytes)
      return length === bytes.length ? Effect.void : this.appendWaiting(fd, bytes, length)
    })
  }

  appendUnsafe(fd: 1 | 2, bytes: Uint8Array): number {
    return this.offer(fd, bytes)
  }

  get end(): Effect.Effect<void> {
    return Effect.sync(() => this.finish())
  }

  get close(): Effect.Effect<void> {
    return Effect.sync(() => this.shut())
  }

  get take(): Effect.Effect<ReadonlyArray<Chunk>, ExecError.ExecError> {
    return this.takeWith((held) => held.chunks)
  }

  get peek(): Effect.Effect<ReadonlyArray<Chunk>, ExecError.ExecError> {
    return this.peekWith((held) => held.chunks)
  }

  takeWith<A>(f: (held: Held) => A): Effect.Effect<A, ExecError.ExecError> {
    return Effect.suspend(() => {
      if (this.closed) return Effect.fail(closed("ring buffer"))
      const result = f(this.held())
      // After `f`: when that throws, nothing was taken.
      this.takeAll()
      return Effect.succeed(result)
    })
  }

  peekWith<A>(f: (held: Held) => A): Effect.Effect<A, ExecError.ExecError> {
    return Effect.suspend(() => (this.closed ? Effect.fail(closed("ring buffer")) : Effect.succeed(f(this.held()))))
  }

  from(offset: number, options?: FromOptions): Stream.Stream<Chunk | Gap, ExecError.ExecError> {
    const holds = options?.lag === "block"
    if (!Number.isSafeInteger(offset) || offset < 0) {
      return Stream.fail(invalid("from", "the offset must be a whole number of bytes, 0 or more"))
    }
    if (holds && this.overflow === "evict") {
      return Stream.fail(
        invalid("lag", 'a ring that evicts waits for no reader; make it with overflow "block", or read with lag "skip"')
      )
    }
    return Stream.fromChannel(
      Channel.fromTransform((_upstream: unknown, scope) => {
        const reader: Reader = { at: offset }
        const pull = Effect.succeed(this.pull(reader))
        if (!holds) return pull
        return Effect.suspend(() => {
          this.hold(reader)
          const unhold = Effect.sync(() => this.unhold(reader))
          return Effect.andThen(Scope.addFinalizer(scope, unhold), pull)
        }).pipe(Effect.uninterruptible)
      })
    )
  }

  get clear(): Effect.Effect<void> {
    return Effect.sync(() => this.evictAll())
  }

  get size(): Effect.Effect<number> {
    return Effect.sync(() => this.left)
  }

  get endOffset(): Effect.Effect<number> {
    return Effect.sync(() => this.storage.end)
  }

  get evicted(): Effect.Effect<number> {
    return Effect.sync(() => this.evictedBytes)
  }

  get taken(): Effect.Effect<number> {
    return Effect.sync(() => this.takenBytes)
  }

  private get refuses(): boolean {
    return this.ended || this.closed
  }

  private get refusal(): ExecError.ExecError {
    return closed(this.closed ? "ring buffer" : "ring buffer's writing end")
  }

  // Enqueuing tries once more: room may have come since the offer, and nobody would tell us.
  private appendWaiting(fd: 1 | 2, bytes: Uint8Array, at: number): Effect.Effect<void, ExecError.ExecError> {
    return Effect.callback((resume) => {
      const done = (written: boolean) => resume(written ? woken : Effect.suspend(() => Effect.fail(this.refusal)))
      const writer: Writer = { fd, bytes, at, done }
      this.enqueue(writer)
      return Effect.sync(() => this.dequeue(writer))
    })
  }

  private pull(reader: Reader): Pull.Pull<Arr.NonEmptyReadonlyArray<Chunk | Gap>, ExecError.ExecError> {
    const pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Chunk | Gap>, ExecError.ExecError> = Effect.suspend(() => {
      if (!this.closed) {
        const items = this.advance(reader)
        if (Arr.isReadonlyArrayNonEmpty(items)) return Effect.succeed(items)
      }
      if (this.ended && reader.at >= this.storage.end) return Cause.done()
      return this.closed ? Effect.fail(closed("ring buffer")) : Effect.flatMap(changed, () => pull)
    })
    const changed = Effect.callback<void>((resume) => {
      // Something may have come since this reader looked, and nobody would tell it.
      if (this.isReady(reader)) return resume(Effect.void)
      const wake = () => resume(woken)
      this.onChange(wake)
      return Effect.sync(() => this.offChange(wake))
    })
    return pull
  }
}
