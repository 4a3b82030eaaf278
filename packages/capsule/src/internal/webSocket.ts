/**
 * A socket by the WebSocket that a platform has: a browser's, Deno's, Bun's and Node's own, or `ws`.
 */
import * as Effect from "effect/Effect"
import type { ExecError } from "effect-exec/ExecError"
import type { Connect, Connection, Receiver } from "../Connection.ts"
import { closeCodes, subprotocol } from "../Wire.ts"
import * as failure from "./failure.ts"
import { web, type WebSocketLike } from "./web.ts"

/** Makes the socket of a platform. */
export type Open = (url: string, protocols: Array<string>) => WebSocketLike

// How long the other side has to answer a close; then the socket is let go of without it.
const closeMillis = 1_000

/** Opens sockets to a server. */
export const connect =
  (open: Open, url: string): Connect =>
  (receiver) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const socket = yield* restore(dial(open, url, receiver))
        yield* Effect.addFinalizer(() => socket.finish)
        return socket
      })
    )

class Socket implements Connection {
  private readonly socket: WebSocketLike
  private readonly receiver: Receiver
  private isClosing = false
  private isOver = false
  private finished: (() => void) | undefined

  constructor(socket: WebSocketLike, receiver: Receiver) {
    this.socket = socket
    this.receiver = receiver
  }

  send(frame: string | Uint8Array<ArrayBuffer>): void {
    if (!this.isClosing && !this.isOver) this.socket.send(frame)
  }

  close(code: number, reason: string): void {
    if (this.isClosing || this.isOver) return
    this.isClosing = true
    this.socket.close(code, reason)
  }

  take(data: string | ArrayBuffer | Uint8Array): void {
    if (this.finished === undefined) this.receiver.frame(data instanceof ArrayBuffer ? new Uint8Array(data) : data)
  }

  closed(code: number, reason: string): void {
    this.isOver = true
    if (this.finished === undefined) this.receiver.closed(code, reason)
    else this.finished()
  }

  /** Tells nothing more, and lets go of the socket: what was closed is given the time to say so, what was not is cut. */
  get finish(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      this.finished = () => {
        web.clearTimeout(timer)
        resume(Effect.void)
      }
      const cut = () => {
        if (!this.isOver) this.abandon()
        resume(Effect.void)
      }
      const timer = web.setTimeout(cut, closeMillis)
      if (this.isOver || !this.isClosing) {
        web.clearTimeout(timer)
        cut()
      }
    })
  }

  // Not as if it were done: then the server would end the session.
  private abandon(): void {
    if (this.socket.terminate === undefined) this.socket.close(closeCodes.silent)
    else this.socket.terminate()
  }
}

const dial = (open: Open, url: string, receiver: Receiver): Effect.Effect<Socket, ExecError> =>
  Effect.callback((resume) => {
    const failed = (text: string) => {
      const hint = `Does a capsule server listen at ${withoutSecrets(url)}, and can it be reached from here?`
      resume(Effect.fail(failure.unavailable({ code: 1006, text }, hint)))
    }
    let socket: WebSocketLike
    try {
      socket = open(url, [subprotocol])
    } catch (error) {
      return failed(error instanceof Error ? error.message : String(error))
    }
    // Browsers give Blobs by default, whose bytes come later; `ws` gives its own buffers, which need no copy.
    if (socket.binaryType === "blob") socket.binaryType = "arraybuffer"
    const it = new Socket(socket, receiver)
    let words = "the connection could not be opened"
    const listen = (type: string, listener: (event: never) => void) => socket.addEventListener(type, listener)
    listen("open", () => {
      if (socket.protocol === subprotocol) return resume(Effect.succeed(it))
      it.close(1000, "")
      failed(`it does not speak ${subprotocol}`)
    })
    listen("message", ({ data }: { readonly data: string | ArrayBuffer | Uint8Array }) => it.take(data))
    listen("error", ({ message }: { readonly message?: unknown }) => {
      if (typeof message === "string" && message !== "") words = message
    })
    listen("close", ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      it.closed(code, reason)
      failed(words)
    })
    return it.finish
  })

// A query may hold what others must not see.
const withoutSecrets = (url: string): string => url.replace(/[?#].*$/, "").replace(/\/\/[^@/]*@/, "//")
