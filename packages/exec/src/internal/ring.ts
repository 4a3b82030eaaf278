/**
 * What a ring decides, without Effect: who is evicted, who waits for whom, what counts as taken. One call is one step:
 * nobody sees the ring between two states.
 *
 * The storage holds what somebody may still read. The take-cursor is at or after its start: after it only while a
 * reader with `lag: "block"` still needs bytes that were taken already.
 */
import type { Overflow } from "../ExecOptions.ts"
import type { Chunk, Gap, Held } from "../RingBuffer.ts"
import { RingStorage } from "./ringStorage.ts"

/** Where a reader is. */
export interface Reader {
  at: number
}

/** An append that waits for room: the bytes from `at` on are not in the ring yet. */
export interface Writer {
  readonly fd: 1 | 2
  readonly bytes: Uint8Array
  at: number
  /** Told once: all bytes are in, or (false) the ring takes no more. */
  readonly done: (written: boolean) => void
}

// One pull gives at most this much, so that a reader that replays 1 GiB does not hold it twice.
const pullSize = 65_536

// What an emptied ring may keep, within the promise of "held bytes × 2 + 1 KiB".
const keptWhenEmpty = 512

export class Ring {
  readonly storage: RingStorage
  readonly overflow: Overflow
  takenBytes = 0
  ended = false
  closed = false
  // Held bytes before the take-cursor.
  private ahead = 0
  private waiting: Set<() => void> | undefined = undefined
  private holders: Array<Reader> | undefined = undefined
  private writers: Array<Writer> | undefined = undefined

  constructor(capacity: number, overflow: Overflow) {
    this.storage = new RingStorage(capacity)
    this.overflow = overflow
  }

  /** Everything before it was taken or evicted. */
  get cursor(): number {
    return this.storage.end - this.storage.size + this.ahead
  }

  /** What is before the cursor and was not taken. Counted by what is left over, so that evicting costs nothing. */
  get evictedBytes(): number {
    return this.cursor - this.takenBytes
  }

  get left(): number {
    return this.storage.size - this.ahead
  }

  /** Appends what it can now, and says how much that was. */
  offer(fd: 1 | 2, bytes: Uint8Array): number {
    if (this.ended || this.closed) return 0
    if (this.overflow === "block") return this.writers === undefined ? this.write(fd, bytes, 0) : 0
    this.storage.push(fd, bytes)
    if (this.waiting !== undefined) this.wake()
    return bytes.length
  }

  /** Appends as there comes to be room, after those that wait already. */
  enqueue(writer: Writer): void {
    if (this.ended || this.closed) return writer.done(false)
    this.writers ??= []
    this.writers.push(writer)
    this.pump()
  }

  /** What is left of the bytes is never appended. */
  dequeue(writer: Writer): void {
    this.removeWriter(writer)
    this.pump()
  }

  finish(): void {
    if (this.ended || this.closed) return
    this.ended = true
    this.refuse()
    this.wake()
  }

  shut(): void {
    if (this.closed) return
    this.drain()
    this.storage.release(0)
    this.closed = true
    this.refuse()
    this.wake()
  }

  /** What a take would give now. */
  held(): Held {
    const chunks: Array<Chunk> = []
    const { cursor, storage } = this
    storage.chunks(cursor, storage.end, chunks)
    const stderrBefore = storage.stderrUpTo(cursor)
    return { chunks, stdoutBefore: cursor - stderrBefore, stderrBefore, evicted: this.evictedBytes, ended: this.ended }
  }

  /** Moves the take-cursor to the end. */
  takeAll(): void {
    const { storage } = this
    this.takenBytes += this.left
    this.ahead = storage.size
    this.free(this.heldFrom())
    if (storage.size === 0) storage.release(keptWhenEmpty)
    this.pump()
  }

  /** Evicts all that was not taken, and what was kept for readers with it. */
  evictAll(): void {
    if (this.closed) return
    this.drain()
    this.storage.release(keptWhenEmpty)
    this.pump()
  }

  /** What this reader gets next, if anything, and moves it. */
  advance(reader: Reader): Array<Chunk | Gap> {
    const { start, end } = this.storage
    const out: Array<Chunk | Gap> = []
    if (reader.at < start) {
      out.push({ _tag: "Gap", from: reader.at, to: start })
      reader.at = start
    }
    const to = Math.min(end, reader.at + pullSize)
    if (reader.at < to) {
      this.storage.chunks(reader.at, to, out as Array<Chunk>)
      reader.at = to
    }
    if (out.length > 0) this.pump()
    return out
  }

  /** Whether a reader has something to get, or to learn, without waiting. */
  isReady(reader: Reader): boolean {
    return reader.at < this.storage.end || this.ended || this.closed
  }

  /** Calls back once, when something was appended or the ring ended or closed. */
  onChange(wake: () => void): void {
    this.waiting ??= new Set()
    this.waiting.add(wake)
  }

  offChange(wake: () => void): void {
    this.waiting?.delete(wake)
    if (this.waiting?.size === 0) this.waiting = undefined
  }

  /** From now on the writer waits for this reader, and no more for take alone: that may make room. */
  hold(reader: Reader): void {
    this.holders ??= []
    this.holders.push(reader)
    this.pump()
  }

  unhold(reader: Reader): void {
    const left = this.holders?.filter((other) => other !== reader)
    this.holders = left === undefined || left.length === 0 ? undefined : left
    if (this.closed) return
    this.free(Math.min(this.heldFrom(), this.cursor))
    this.pump()
  }

  // The offset before which nobody holds the writer.
  private heldFrom(): number {
    if (this.holders === undefined) return this.cursor
    let from = this.storage.end
    for (const reader of this.holders) from = Math.min(from, reader.at)
    return from
  }

  // Block mode alone: what goes beyond the take-cursor was passed by every reader that holds, and so counts as taken.
  private free(to: number): void {
    const count = Math.max(0, to - this.storage.start)
    this.takenBytes += Math.max(0, count - this.ahead)
    this.ahead = Math.max(0, this.ahead - count)
    this.storage.drop(count)
  }

  private drain(): void {
    this.storage.drop(this.storage.size)
    this.ahead = 0
  }

  // Until nothing fits any more: what a reader far ahead has passed already goes again in the same step.
  private write(fd: 1 | 2, bytes: Uint8Array, from: number): number {
    const { storage } = this
    let at = from
    while (at < bytes.length) {
      const wanted = Math.min(bytes.length - at, storage.capacity)
      if (storage.fits(fd, wanted) < wanted) {
        this.free(Math.min(this.heldFrom(), storage.start + storage.excess(fd, wanted)))
      }
      const length = storage.fits(fd, wanted)
      if (length === 0) break
      storage.append(fd, bytes, at, at + length)
      at += length
    }
    if (at > from && this.waiting !== undefined) this.wake()
    return at - from
  }

  // Somebody made room: those that wait for it go on, first come, first served.
  private pump(): void {
    while (this.writers !== undefined) {
      const writer = this.writers[0]!
      writer.at += this.write(writer.fd, writer.bytes, writer.at)
      if (writer.at < writer.bytes.length) return
      this.removeWriter(writer)
      writer.done(true)
    }
  }

  private removeWriter(writer: Writer): void {
    const left = this.writers?.filter((other) => other !== writer)
    this.writers = left === undefined || left.length === 0 ? undefined : left
  }

  private refuse(): void {
    const writers = this.writers ?? []
    this.writers = undefined
    for (const writer of writers) writer.done(false)
  }

  // The set is put away first: who is woken may wait again, and must not be woken by the same change.
  private wake(): void {
    const waiting = this.waiting
    this.waiting = undefined
    if (waiting !== undefined) for (const wake of waiting) wake()
  }
}
