/**
 * A WebSocket as effects: text that comes, one at a time, and text that goes, as fast as it is taken.
 */
import * as Effect from "effect/Effect"
import type { WebSocket } from "ws"

// Frames and bytes that came and are not taken yet. With more the other side has to wait.
const mostWaiting = 64
const mostBytes = 256 * 1024

// How long the other side has to answer a close; then the socket is cut.
const closeMillis = 1_000

export class Frames {
  private readonly socket: WebSocket
  private readonly waiting: Array<string | Buffer> = []
  private bytes = 0
  private taker: (() => void) | undefined
  private hasTaken = false
  private isClosed = false

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on("message", (data: Buffer, isBinary) => {
      this.waiting.push(isBinary ? data : data.toString())
      this.bytes += data.length
      if (this.waiting.length > mostWaiting || this.bytes > mostBytes) socket.pause()
      this.taker?.()
    })
    socket.on("ping", (data) => {
      // Not to who reads nothing: they would fill the memory.
      if (socket.bufferedAmount < mostBytes) socket.pong(data)
    })
    socket.on("close", () => {
      this.isClosed = true
      this.taker?.()
    })
    // What is wrong with a socket ends it, and its end is what matters.
    socket.on("error", () => {})
  }

  /** The next frame; `undefined` once it is closed. For one at a time. */
  get next(): Effect.Effect<string | Buffer | undefined> {
    return Effect.callback((resume) => {
      const take = () => {
        const frame = this.waiting.shift()
        if (frame === undefined && !this.isClosed) return
        this.taker = undefined
        this.hasTaken = true
        if (this.waiting.length === 0) {
          this.bytes = 0
          if (this.socket.isPaused) this.socket.resume()
        }
        resume(Effect.succeed(frame))
      }
      this.taker = take
      take()
      return Effect.sync(() => (this.taker = undefined))
    })
  }

  /** Says something, and waits until that is on its way. To who is gone it says nothing. */
  say(message: object): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.socket.readyState !== this.socket.OPEN) return resume(Effect.void)
      this.socket.send(JSON.stringify(message), () => resume(Effect.void))
    })
  }

  /** Says why it is over. To a client that is about to say its first word a close in mid-sentence would be an error. */
  sayLast(message: object): Effect.Effect<void> {
    const heard = Effect.suspend(() => (this.hasTaken ? Effect.void : Effect.timeoutOption(this.next, closeMillis)))
    return Effect.andThen(this.say(message), Effect.asVoid(heard))
  }

  /** Says goodbye. */
  get close(): Effect.Effect<void> {
    return Effect.sync(() => {
      const { socket } = this
      socket.close(1000)
      const timer = setTimeout(() => socket.terminate(), closeMillis)
      if (socket.readyState === socket.CLOSED) clearTimeout(timer)
      else socket.once("close", () => clearTimeout(timer))
      // Else nobody would see its answer.
      socket.resume()
    })
  }
}

/** What a text frame says, if it is JSON. */
export const parse = (frame: string | Buffer | undefined): unknown => {
  if (typeof frame !== "string") return undefined
  try {
    return JSON.parse(frame)
  } catch {
    return undefined
  }
}
