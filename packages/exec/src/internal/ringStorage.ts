/**
 * The bytes of a ring: a circular array, addressed by absolute offset, that grows by doubling up to its capacity, and
 * the offsets at which the stream changes from stdout to stderr or back. No policy: it never decides what goes.
 */
import type { Chunk } from "../RingBuffer.ts"

// Shared by all empty rings, so that ten thousand quiet processes cost next to nothing.
const noBytes = new Uint8Array(0)
const noSwitches = new Float64Array(0)

// Below this a loop beats `set`, which costs a call out of compiled code.
const tiny = 24

export class RingStorage {
  readonly capacity: number
  /** The offset after the newest byte. */
  end = 0
  /** How many bytes are held: those from `start` up to `end`. */
  size = 0
  /** How many of the bytes before `start` were stderr. */
  stderrBefore = 0
  private bytes: Uint8Array = noBytes
  private tail = 0
  private oldest: 1 | 2 = 1
  private newest: 1 | 2 = 1
  // The held offsets at which the stream changes, circular: runs alternate, so the offsets say it all.
  private switches: Float64Array = noSwitches
  private first = 0
  private count = 0

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get start(): number {
    return this.end - this.size
  }

  /** The most changes of stream that are recorded: a process that alternates byte by byte must not cost 8 times more. */
  get maxSwitches(): number {
    return Math.max(16, Math.floor(this.capacity / 64))
  }

  get switchCount(): number {
    return this.count
  }

  /** Bytes of memory that it holds now. */
  get allocated(): number {
    return this.bytes.byteLength + this.switches.byteLength
  }

  /** How many of `length` bytes of this stream fit without dropping any. */
  fits(fd: 1 | 2, length: number): number {
    return this.lacksSwitch(fd) ? 0 : Math.min(length, this.capacity - this.size)
  }

  /** How far one has to drop so that `length` bytes of this stream, at most the capacity, fit. */
  excess(fd: 1 | 2, length: number): number {
    const to = this.end + length - this.capacity
    return this.lacksSwitch(fd) ? Math.max(to, this.switches[this.first]!) : to
  }

  /** Appends the bytes between these two positions, which must fit. Allocates only to grow. */
  append(fd: 1 | 2, bytes: Uint8Array, from: number, to: number): void {
    const length = to - from
    if (length === 0) return
    if (this.size === 0) this.oldest = fd
    else if (fd !== this.newest) this.recordSwitch()
    this.newest = fd
    if (this.size + length > this.bytes.length) this.grow(this.size + length)
    const ring = this.bytes
    const room = ring.length - this.tail
    if (length <= tiny) {
      let at = this.tail
      for (let i = from; i < to; i++) {
        ring[at] = bytes[i]!
        if (++at === ring.length) at = 0
      }
      this.tail = at
    } else if (length <= room) {
      ring.set(length === bytes.length ? bytes : bytes.subarray(from, to), this.tail)
      this.tail = length === room ? 0 : this.tail + length
    } else {
      ring.set(bytes.subarray(from, from + room), this.tail)
      ring.set(bytes.subarray(from + room, to), 0)
      this.tail = length - room
    }
    this.size += length
    this.end += length
  }

  /** Forgets the held bytes before this offset, and keeps the memory. */
  drop(to: number): void {
    const start = this.end - this.size
    if (to <= start) return
    let from = start
    while (this.count > 0 && this.switches[this.first]! <= to) {
      const next = this.switches[this.first]!
      if (this.oldest === 2) this.stderrBefore += next - from
      from = next
      this.oldest = this.oldest === 1 ? 2 : 1
      this.count--
      if (++this.first === this.switches.length) this.first = 0
    }
    if (this.oldest === 2) this.stderrBefore += to - from
    this.size = this.end - to
  }

  /** Passes over bytes that will never be held: what is larger than the capacity loses its beginning. */
  skip(fd: 1 | 2, length: number): void {
    this.drop(this.end)
    this.end += length
    if (fd === 2) this.stderrBefore += length
  }

  /** Gives the memory of an empty ring back. A little is kept, for a process that is read after each line. */
  release(keep: number): void {
    if (this.bytes.length > keep || this.switches.byteLength > keep) {
      this.bytes = noBytes
      this.switches = noSwitches
      this.tail = 0
      this.first = 0
    }
  }

  /** How many of the bytes before this held offset were stderr. */
  stderrUpTo(offset: number): number {
    let total = this.stderrBefore
    let from = this.start
    let fd = this.oldest
    for (let i = 0; i < this.count && from < offset; i++) {
      const next = Math.min(this.switchAt(i), offset)
      if (fd === 2) total += next - from
      from = next
      fd = fd === 1 ? 2 : 1
    }
    return fd === 2 && from < offset ? total + offset - from : total
  }

  /** Adds copies of the held bytes from one offset up to another, a chunk for each run. */
  chunks(from: number, to: number, into: Array<Chunk>): void {
    let i = this.switchesUpTo(from)
    let fd: 1 | 2 = i % 2 === 0 ? this.oldest : this.oldest === 1 ? 2 : 1
    for (let offset = from; offset < to; i++) {
      const until = i < this.count ? Math.min(this.switchAt(i), to) : to
      into.push({ _tag: "Chunk", fd, offset, bytes: this.copy(offset, until) })
      offset = until
      fd = fd === 1 ? 2 : 1
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

  private lacksSwitch(fd: 1 | 2): boolean {
    return fd !== this.newest && this.size > 0 && this.count >= this.maxSwitches
  }

  private switchAt(i: number): number {
    return this.switches[(this.first + i) % this.switches.length]!
  }

  // By halves: a reader may begin anywhere among thousands of runs.
  private switchesUpTo(offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.switchAt(middle) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  private recordSwitch(): void {
    if (this.count === this.switches.length) {
      const grown = new Float64Array(Math.min(this.maxSwitches, Math.max(4, this.count * 2)))
      for (let i = 0; i < this.count; i++) grown[i] = this.switchAt(i)
      this.switches = grown
      this.first = 0
    }
    let at = this.first + this.count++
    if (at >= this.switches.length) at -= this.switches.length
    this.switches[at] = this.end
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
