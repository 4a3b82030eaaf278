/**
 * The sending half of a channel: bytes go as far as the other side gave credit and the connection has room.
 */
import * as Effect from "effect/Effect"
import * as Frame from "./Frame.ts"
import type { Link } from "./Link.ts"
import { maxData } from "./Wire.ts"

// More would only be a mistake of the other side's, and stays exact.
const maxCredit = 2 ** 48

/** Sends the bytes of one channel. One `send` at a time. */
export class DataSender<E = never> {
  private readonly link: Link
  private readonly channel: number
  private credit: number
  /** How many bytes were sent so far, those included that wait for room. */
  sentBytes = 0
  private closed: Effect.Effect<never, E> | undefined
  private wake: (() => void) | undefined

  constructor(link: Link, channel: number, credit: number) {
    this.link = link
    this.channel = channel
    this.credit = credit
  }

  /** The other side may be sent more; false when that is more than anybody needs. */
  give(bytes: number): boolean {
    this.credit += bytes
    this.wake?.()
    return this.credit <= maxCredit
  }

  /** Fails whoever sends, now and later. The first reason counts. */
  close(reason: Effect.Effect<never, E>): void {
    this.closed ??= reason
    this.wake?.()
  }

  /** Spends credit on something that is no data, when there is any; waits for it. */
  spend(cost: number): Effect.Effect<void, E> {
    return Effect.suspend(() => {
      if (this.closed !== undefined) return this.closed
      if (this.credit <= 0)
        return Effect.andThen(
          this.wakeUp(() => this.credit > 0),
          this.spend(cost)
        )
      this.credit -= cost
      return Effect.void
    })
  }

  /**
   * Sends all of it; ends when it has been handed to the socket. Interrupting it waits no longer; the frame that waited
   * for room is still sent, and none after it.
   */
  send(kind: number, offset: number, bytes: Uint8Array, channel = this.channel): Effect.Effect<void, E> {
    return bytes.length === 0 ? Effect.void : Effect.suspend(() => this.sendFrom(kind, offset, bytes, channel, 0))
  }

  private sendFrom(
    kind: number,
    offset: number,
    bytes: Uint8Array,
    channel: number,
    from: number
  ): Effect.Effect<void, E> {
    let at = from
    while (at < bytes.length) {
      if (this.closed !== undefined) return this.closed
      const rest = Effect.suspend(() => this.sendFrom(kind, offset, bytes, channel, at))
      if (this.credit <= 0)
        return Effect.andThen(
          this.wakeUp(() => this.credit > 0),
          rest
        )
      const size = Math.min(bytes.length - at, this.credit, maxData)
      const frame = Frame.encode(kind, channel, offset + at, bytes.subarray(at, at + size))
      this.credit -= size
      this.sentBytes += size
      at += size
      let isSent = this.link.sendData(frame, () => {
        isSent = true
        this.wake?.()
      })
      if (!isSent)
        return Effect.andThen(
          this.wakeUp(() => isSent),
          rest
        )
    }
    return Effect.void
  }

  private wakeUp(isReady: () => boolean): Effect.Effect<void> {
    return Effect.callback((resume) => {
      // A fiber may yield to others between its look and this.
      if (isReady() || this.closed !== undefined) return resume(Effect.void)
      this.wake = () => {
        if (!isReady() && this.closed === undefined) return
        this.wake = undefined
        resume(Effect.void)
      }
      return Effect.sync(() => {
        this.wake = undefined
      })
    })
  }
}
