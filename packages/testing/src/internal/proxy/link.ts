/**
 * One direction of a connection through the proxy: bytes arrive from one socket, wait as long as the link makes them,
 * and leave by the other.
 */
import type { Socket } from "node:net"

/** What a link is like. */
export interface Conditions {
  /** Milliseconds that every byte is on its way. */
  readonly delay: number
  /** Bytes per second. */
  readonly rate: number
  /** The most bytes that leave at once. */
  readonly chunk: number
  /** Nothing moves. */
  readonly isBlackHole: boolean
}

/** On its way, due at a time: bytes, or the news that there will be no more. */
interface Item {
  readonly at: number
  readonly bytes: Buffer
  readonly end: "fin" | "reset" | undefined
  next: Item | undefined
}

// What may be on its way: at 50 ms there and back, more than any link of today carries in that time.
const capacity = 64 * 1024 * 1024
// How far the departures may run ahead of the clock before the sender has to wait: less than what a timer is late by.
const maxAhead = 5
// Milliseconds of a link with a rate that leave at once, so that its bursts stay small.
const burst = 2

const nothing = Buffer.alloc(0)

/** One direction of a connection. */
export class Link {
  private readonly from: Socket
  private readonly to: Socket
  private readonly conditions: () => Conditions
  /** Writes to the socket at the end; `false` when that is full. */
  private readonly write: (bytes: Buffer) => boolean

  private head: Item | undefined
  private tail: Item | undefined
  private waiting = 0
  // When the last byte has left a link of this rate.
  private departure = 0
  private isBlocked = false
  private isReset = false
  private isClosed = false
  private timer: NodeJS.Timeout | undefined
  private immediate: NodeJS.Immediate | undefined

  constructor(from: Socket, to: Socket, conditions: () => Conditions, write: (bytes: Buffer) => boolean) {
    this.from = from
    this.to = to
    this.conditions = conditions
    this.write = write
    from.on("data", (bytes: Buffer) => this.arrive(bytes))
    from.on("end", () => this.push(nothing, "fin"))
    from.on("error", () => this.reset())
    from.on("close", () => {
      if (!from.readableEnded) this.reset()
    })
    to.on("drain", () => {
      this.isBlocked = false
      this.pump()
    })
  }

  private arrive(bytes: Buffer): void {
    const { rate } = this.conditions()
    const size = Number.isFinite(rate) ? Math.max(1, Math.floor((rate * burst) / 1000)) : bytes.length
    for (let at = 0; at < bytes.length; at += size) this.push(bytes.subarray(at, at + size))
  }

  private reset(): void {
    if (this.isReset) return
    this.isReset = true
    this.push(nothing, "reset")
  }

  private push(bytes: Buffer, end?: "fin" | "reset"): void {
    if (this.isClosed) return
    const { delay, rate } = this.conditions()
    this.departure = Math.max(this.departure, performance.now()) + (bytes.length / rate) * 1000
    const item: Item = { at: this.departure + delay, bytes, end, next: undefined }
    if (this.tail === undefined) this.head = item
    else this.tail.next = item
    this.tail = item
    this.waiting += bytes.length
    this.pump()
  }

  /** Lets go what is due, lets in what there is room for, and wakes up when that changes. */
  pump(): void {
    clearTimeout(this.timer)
    if (this.isClosed) return
    const { chunk, isBlackHole } = this.conditions()
    if (!isBlackHole) this.leave(chunk)
    if (this.isClosed) return
    const now = performance.now()
    const ahead = this.departure - now
    const hasRoom = this.waiting < capacity && ahead < maxAhead
    // A sender that notices nothing of a slow receiver would fill the memory instead.
    if (hasRoom && !isBlackHole && !this.isBlocked) this.from.resume()
    else this.from.pause()
    if (isBlackHole || this.isBlocked || this.immediate !== undefined) return
    const waits = [
      ...(this.head === undefined ? [] : [this.head.at - now]),
      ...(ahead < maxAhead ? [] : [ahead - maxAhead / 2])
    ]
    if (waits.length > 0) this.timer = setTimeout(() => this.pump(), Math.max(1, Math.ceil(Math.min(...waits))))
  }

  private leave(chunk: number): void {
    const now = performance.now()
    while (this.head !== undefined && this.head.at <= now && !this.isBlocked && this.immediate === undefined) {
      const { bytes, end, next } = this.head
      this.head = next
      if (next === undefined) this.tail = undefined
      if (end !== undefined) {
        if (end === "fin") this.to.end()
        else this.to.resetAndDestroy()
        continue
      }
      const part = bytes.length > chunk ? bytes.subarray(0, chunk) : bytes
      if (part.length < bytes.length) this.putBack(bytes.subarray(part.length), now)
      this.waiting -= part.length
      this.isBlocked = !this.write(part)
      if (this.isClosed) return
      // Two writes in one turn would arrive as one chunk.
      if (chunk !== Infinity) {
        this.immediate = setImmediate(() => {
          this.immediate = undefined
          this.pump()
        })
      }
    }
  }

  private putBack(bytes: Buffer, at: number): void {
    this.head = { at, bytes, end: undefined, next: this.head }
    this.tail ??= this.head
  }

  /** Moves nothing any more, and forgets what was on its way. */
  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
    clearImmediate(this.immediate)
    this.head = this.tail = undefined
    this.from.pause()
  }
}
