/**
 * What makes a session of sockets that come and go: every message arrives exactly once and in order.
 *
 * Both sides count the messages they exchange. A message is kept until the other side has acknowledged it, and sent
 * again over the next socket when it has not. It is the same on both ends; who opens sockets, who greets whom and who
 * gives up when, is not its business. Nothing here waits or throws.
 */
import * as Frame from "./Frame.ts"
import type { Connection } from "./Connection.ts"
import { SendWindow } from "./internal/sendWindow.ts"
import { web } from "./internal/web.ts"
import { maxData } from "./Wire.ts"

/** Takes a message; what is wrong with it, if anything is. */
export type Take = (message: string | Frame.Frame) => string | undefined

interface Sent {
  readonly frame: string | Uint8Array<ArrayBuffer>
  /** Bytes of data, which the window counts; 0 for all else. */
  readonly data: number
  /** Bytes that keeping it takes. */
  readonly kept: number
  sentAt: number
}

interface Waiting {
  readonly frame: Uint8Array<ArrayBuffer>
  readonly sent: () => void
}

// Short enough to free what the other side keeps, long enough that most conversations need few of them.
const ackDelayMillis = 10

export class Link {
  private readonly take: Take
  private readonly window = new SendWindow()
  private connection: Connection | undefined

  // What was sent and not acknowledged, from `head` on; its first element is message number `acknowledged`.
  private sent: Array<Sent> = []
  private head = 0
  private acknowledged = 0
  private inFlight = 0
  private kept = 0
  private waiting: Array<Waiting> = []
  private nextWaiting = 0
  private limitedAt = -Infinity

  // How many messages from the beginning of the session were given to a socket.
  private given = 0

  private received = 0
  private acked = 0
  private unackedBytes = 0
  private ackTimer: unknown

  /** When something was last heard of the other side, by `performance.now()`. */
  heardAt = web.performance.now()

  constructor(take: Take) {
    this.take = take
  }

  /** How many messages came so far: what Hello and Welcome say. */
  get receivedCount(): number {
    return this.received
  }

  /** Bytes kept because they were not acknowledged. */
  get keptBytes(): number {
    return this.kept
  }

  /** Whether there is a socket now. */
  get isConnected(): boolean {
    return this.connection !== undefined
  }

  /** How many messages were said so far. */
  get saidCount(): number {
    return this.acknowledged + this.sent.length - this.head
  }

  /** How many of them were given to a socket, so that the other side may have them. */
  get givenCount(): number {
    return this.given
  }

  /** Sends a message, now or when there is a socket again. */
  send(frame: string | Uint8Array<ArrayBuffer>): void {
    this.put(frame, 0)
  }

  /**
   * Sends a frame of data when the window has room, those who came first going first. True when that was at once; else
   * it calls back when it has been sent. Who does not wait for that before the next one fills the memory.
   */
  sendData(frame: Uint8Array<ArrayBuffer>, sent: () => void): boolean {
    if (this.nextWaiting === this.waiting.length && this.hasRoom) {
      this.put(frame, frame.length)
      return true
    }
    this.limitedAt = web.performance.now()
    this.waiting.push({ frame, sent })
    return false
  }

  private get hasRoom(): boolean {
    return this.connection !== undefined && this.inFlight < this.window.size
  }

  private put(frame: string | Uint8Array<ArrayBuffer>, data: number): void {
    this.inFlight += data
    const kept = frame.length
    this.kept += kept
    const isNow = this.connection !== undefined
    const message = { frame, data, kept, sentAt: isNow ? web.performance.now() : -Infinity }
    this.sent.push(message)
    if (this.connection === undefined) return
    this.given = this.saidCount
    this.connection.send(frame)
  }

  private sendWaiting(): void {
    while (this.nextWaiting < this.waiting.length && this.hasRoom) {
      const { frame, sent } = this.waiting[this.nextWaiting++]!
      this.put(frame, frame.length)
      sent()
    }
    if (this.nextWaiting === this.waiting.length) {
      this.waiting = []
      this.nextWaiting = 0
    } else if (this.nextWaiting > 1024) {
      this.waiting = this.waiting.slice(this.nextWaiting)
      this.nextWaiting = 0
    }
  }

  /**
   * Goes on over a new socket, on which the greetings were exchanged: sends again what the other side, which has received
   * this many messages, has not. What is wrong with that count, if anything is.
   */
  connected(connection: Connection, receivedByOther: number): string | undefined {
    const problem = this.acknowledge(receivedByOther, false)
    if (problem !== undefined) return problem
    this.window.restart()
    this.connection = connection
    this.heardAt = web.performance.now()
    // The greeting said it.
    this.acked = this.received
    this.unackedBytes = 0
    for (let index = this.head; index < this.sent.length; index++) {
      const message = this.sent[index]!
      // When it was first sent says nothing about this path.
      message.sentAt = -Infinity
      connection.send(message.frame)
    }
    this.given = this.saidCount
    this.sendWaiting()
    return undefined
  }

  /** The socket is lost. */
  disconnected(): void {
    this.connection = undefined
    web.clearTimeout(this.ackTimer)
    this.ackTimer = undefined
  }

  /** Closes the socket, if there is one. */
  close(code: number, reason: string): void {
    const { connection } = this
    this.disconnected()
    connection?.close(code, reason)
  }

  /** Asks the other side for a sign of life. */
  ping(): void {
    this.connection?.send(Frame.encode(Frame.kinds.ping, 0, 0))
  }

  /** Takes a frame from the socket, after the greetings. What is wrong with it, if anything is. */
  frame(frame: string | Uint8Array): string | undefined {
    this.heardAt = web.performance.now()
    if (typeof frame === "string") return this.message(frame, frame.length)
    const decoded = Frame.decode(frame)
    if (typeof decoded === "string") return decoded
    switch (decoded.kind) {
      case Frame.kinds.ack:
        return this.acknowledge(decoded.offset, true)
      case Frame.kinds.ping:
        this.connection?.send(Frame.encode(Frame.kinds.pong, 0, decoded.offset))
        return undefined
      case Frame.kinds.pong:
        return undefined
      default:
        return this.message(decoded, frame.length)
    }
  }

  private message(message: string | Frame.Frame, size: number): string | undefined {
    this.received++
    this.unackedBytes += size
    const problem = this.take(message)
    if (this.unackedBytes >= maxData) this.ack()
    else this.ackTimer ??= web.setTimeout(this.ackLater, ackDelayMillis)
    return problem
  }

  private readonly ackLater = (): void => {
    this.ackTimer = undefined
    this.ack()
  }

  private ack(): void {
    if (this.acked === this.received) return
    this.acked = this.received
    this.unackedBytes = 0
    this.connection?.send(Frame.encode(Frame.kinds.ack, 0, this.received))
  }

  private acknowledge(count: number, isTimed: boolean): string | undefined {
    if (count < this.acknowledged || count > this.given) return "an acknowledgement of what was never sent"
    if (count === this.acknowledged) return undefined
    const { inFlight: before } = this
    let last: Sent | undefined
    for (; this.acknowledged < count; this.acknowledged++) {
      last = this.sent[this.head]!
      // Lets go of the frame before the array is tidied up.
      this.sent[this.head++] = none
      this.inFlight -= last.data
      this.kept -= last.kept
    }
    if (this.head > 1024 && this.head > this.sent.length / 2) {
      this.sent = this.sent.slice(this.head)
      this.head = 0
    }
    if (isTimed && last!.sentAt > 0) {
      const isLimiting = this.limitedAt >= last!.sentAt || this.nextWaiting < this.waiting.length
      const now = web.performance.now()
      this.window.acknowledged(before - this.inFlight, last!.sentAt, now, isLimiting)
    }
    this.sendWaiting()
    return undefined
  }
}

const none: Sent = { frame: "", data: 0, kept: 0, sentAt: 0 }
