/**
 * The bytes of a ring: a circular array, addressed by absolute offset, that grows by doubling up to its capacity. No
 * policy: it never decides what goes. Once grown, appending and dropping allocate nothing.
 */
import type { Chunk } from "../RingBuffer.ts"
import { RingRuns } from "./ringRuns.ts"

// Shared by all empty rings, so that ten thousand quiet processes cost next to nothing.
const none = new Uint8Array(0)

// Up to this a loop beats `set`, which costs a call out of compiled code.
const tiny = 24

export class RingStorage {
  readonly capacity: number
  readonly runs = new RingRuns()
  /** The offset after the newest byte. */
  end = 0
  /** How many bytes are held: those from `start` up to `end`. */
  size = 0
  private bytes: Uint8Array = none
  private tail = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get start(): number {
    return this.end - this.size
  }

  /** The most changes of stream that are held: a process that alternates byte by byte must not cost 8 times more. */
  get maxTurns(): number {
    return Math.max(16, this.capacity >>> 6)
  }

  /** Bytes of memory that it holds now. */
  get allocated(): number {
    return this.bytes.byteLength + this.runs.allocated
  }

  /** How many of `length` bytes of this stream fit without dropping any. */
  fits(fd: 1 | 2, length: number): number {
    return this.lacksTurn(fd) ? 0 : Math.min(length, this.capacity - this.size)
  }

  /** How many bytes have to go (if more than 0) so that `length` bytes of this stream, at most the capacity, fit. */
  excess(fd: 1 | 2, length: number): number {
    const count = this.size + length - this.capacity
    return this.lacksTurn(fd) ? Math.max(count, this.runs.at(0) - this.start) : count
  }

  /** Appends all of the bytes, and drops the oldest where they do not fit. */
  push(fd: 1 | 2, bytes: Uint8Array): void {
    const { length } = bytes
    const { bytes: ring, runs, tail } = this
    const next = tail + length
    // The steady state of one stream in a full ring, where each byte takes the place of the oldest. The rest of this
    // method would do; it costs a fifth of the speed of small chunks.
    if (this.size === this.capacity && next < ring.length && runs.count === 0 && runs.newest === fd) {
      if (length <= tiny) for (let i = 0; i < length; i++) ring[tail + i] = bytes[i]!
      else ring.set(bytes, tail)
      this.tail = next
      this.end += length
      if (fd === 2) runs.stderrBefore += length
    } else if (length > 0) this.pushSlow(fd, bytes)
  }

  /** Appends the bytes between these two positions, which must fit. Allocates only to grow. */
  append(fd: 1 | 2, bytes: Uint8Array, from: number, to: number): void {
    const length = to - from
    if (this.size === 0) this.runs.begin(fd)
    else if (fd !== this.runs.newest) this.runs.turn(this.end, this.maxTurns)
    const size = this.size + length
    if (size > this.bytes.length) this.grow(size)
    const ring = this.bytes
    const at = this.tail
    const next = at + length
    if (next < ring.length) {
      if (length <= tiny) for (let i = 0; i < length; i++) ring[at + i] = bytes[from + i]!
      else ring.set(length === bytes.length ? bytes : bytes.subarray(from, to), at)
      this.tail = next
    } else {
      const middle = from + ring.length - at
      ring.set(bytes.subarray(from, middle), at)
      ring.set(bytes.subarray(middle, to), 0)
      this.tail = to - middle
    }
    this.size = size
    this.end += length
  }

  /** The oldest `count` bytes go; the memory stays. */
  drop(count: number): void {
    const { runs } = this
    if (runs.count > 0) runs.drop(this.start, this.start + count)
    else if (runs.newest === 2) runs.stderrBefore += count
    this.size -= count
  }

  /** Gives the memory of an empty ring back, but for a little where that is all there is. */
  release(keep: number): void {
    if (this.allocated <= keep) return
    this.bytes = none
    this.tail = 0
    this.runs.release()
  }

  /** How many of the bytes before this held offset were stderr. */
  stderrUpTo(offset: number): number {
    return this.runs.stderrUpTo(this.start, offset)
  }

  /** Adds copies of the held bytes from one offset up to another, a chunk for each run. */
  chunks(from: number, to: number, into: Array<Chunk>): void {
    const { runs } = this
    let offset = from
    for (let i = runs.countUpTo(from); offset < to; i++) {
      const until = i < runs.count ? Math.min(runs.at(i), to) : to
      into.push({ _tag: "Chunk", fd: runs.fdAfter(i), offset, bytes: this.copy(offset, until) })
      offset = until
    }
  }

  private pushSlow(fd: 1 | 2, bytes: Uint8Array): void {
    const { length } = bytes
    const unheld = length - this.capacity
    if (unheld > 0) {
      // What is larger than the capacity loses its beginning, and all that was before.
      this.drop(this.size)
      this.end += unheld
      if (fd === 2) this.runs.stderrBefore += unheld
      this.append(fd, bytes, unheld, length)
    } else {
      const excess = this.excess(fd, length)
      if (excess > 0) this.drop(excess)
      this.append(fd, bytes, 0, length)
    }
  }

  private copy(from: number, to: number): Uint8Array {
    const ring = this.bytes
    const length = to - from
    let index = this.tail - (this.end - from)
    if (index < 0) index += ring.length
    if (index + length <= ring.length) return ring.slice(index, index + length)
    const copy = new Uint8Array(length)
    copy.set(ring.subarray(index))
    copy.set(ring.subarray(0, index + length - ring.length), ring.length - index)
    return copy
  }

  private lacksTurn(fd: 1 | 2): boolean {
    return fd !== this.runs.newest && this.size > 0 && this.runs.count >= this.maxTurns
  }

  private grow(needed: number): void {
    let length = Math.max(64, this.bytes.length * 2)
    while (length < needed) length *= 2
    const grown = new Uint8Array(Math.min(length, this.capacity))
    const ring = this.bytes
    const head = this.tail - this.size
    if (head >= 0) grown.set(ring.subarray(head, this.tail))
    else {
      grown.set(ring.subarray(head + ring.length))
      grown.set(ring.subarray(0, this.tail), -head)
    }
    this.bytes = grown
    this.tail = this.size
  }
}
