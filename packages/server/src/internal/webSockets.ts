/**
 * The sockets of `ws` as connections.
 */
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type WebSocket, WebSocketServer } from "ws"
import type { Connection, Receiver } from "@effect-exec/capsule/Connection"
import { closeCodes, subprotocol } from "@effect-exec/capsule/Wire"
import type { Limits } from "../Limits.ts"

// How long a client has to answer a close; then the socket is cut.
const closeMillis = 1_000

/** Makes sockets of upgrades. Closing the scope lets go of those that are left, once they had time to answer a close. */
export const make = (limits: Limits): Effect.Effect<WebSocketServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(
      () =>
        new WebSocketServer({
          noServer: true,
          perMessageDeflate: false,
          // Or pongs could fill the memory: whoever sends pings need not read.
          autoPong: false,
          maxPayload: limits.message,
          handleProtocols: () => subprotocol
        })
    ),
    (server) =>
      Effect.callback((resume) => {
        const timer = setTimeout(() => {
          for (const socket of server.clients) socket.terminate()
        }, closeMillis)
        server.close(() => {
          clearTimeout(timer)
          resume(Effect.void)
        })
        for (const socket of server.clients) socket.close(closeCodes.goingAway)
      })
  )

// Frames that wait to be sent: more than a window has, and 100 MB at the most.
const mostWaiting = 200_000

/** A socket as a connection. One that does not read what it asks for is cut: a session bounds messages, but not pongs. */
export const connection = (socket: WebSocket): Connection => {
  let waiting = 0
  const sent = () => void waiting--
  return {
    send: (frame) => {
      if (socket.readyState !== socket.OPEN) return
      if (++waiting > mostWaiting) socket.terminate()
      else socket.send(frame, sent)
    },
    close: (code, reason) => {
      if (socket.readyState !== socket.OPEN) return
      socket.close(code, reason.slice(0, 120))
      const timer = setTimeout(() => socket.terminate(), closeMillis)
      socket.once("close", () => clearTimeout(timer))
    }
  }
}

/** Gives a receiver what comes on a socket, no faster than it may come. */
export const receive = (socket: WebSocket, receiver: Receiver, limits: Limits): void => {
  const spend = throttle(socket, limits.messages)
  socket.on("message", (data: Buffer, isBinary) => {
    spend(isBinary ? 0.05 : 1)
    receiver.frame(isBinary ? data : data.toString())
  })
  socket.on("ping", (data) => {
    spend(1)
    if (socket.bufferedAmount === 0) socket.pong(data)
  })
  socket.on("close", (code, reason) => receiver.closed(code, reason.toString()))
  socket.on("error", (error: NodeJS.ErrnoException) => {
    // What breaks WebSocket itself, `ws` closes; it is as wrong as what breaks this protocol. All else is a cut, whose end matters.
    if (error.code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") receiver.closed(closeCodes.tooLarge, error.message)
    else if (error.code?.startsWith("WS_ERR") === true) receiver.closed(closeCodes.wrongFrame, error.message)
  })
}

// A second's worth may come at once. Who has spent it is not read for a while; what has been read is taken all the same.
const throttle = (socket: WebSocket, perSecond: number): ((cost: number) => void) => {
  let left = perSecond
  let since = performance.now()
  let timer: NodeJS.Timeout | undefined
  socket.once("close", () => clearTimeout(timer))
  return (cost) => {
    left -= cost
    if (left > 0 || timer !== undefined) return
    const now = performance.now()
    left = Math.min(perSecond, left + ((now - since) * perSecond) / 1_000)
    since = now
    if (left > 0) return
    socket.pause()
    timer = setTimeout(
      () => {
        timer = undefined
        socket.resume()
      },
      Math.max(100, (-left * 1_000) / perSecond)
    )
  }
}

/** Calls back when more comes on a socket than this many bytes, and reads no more; until it is told not to. */
export const guard = (raw: Duplex, most: number, tooMuch: () => void): (() => void) => {
  let left = most
  const count = (bytes: Buffer) => {
    left -= bytes.length
    if (left >= 0) return
    raw.off("data", count)
    raw.pause()
    tooMuch()
  }
  // After `ws`, which has taken by then what these bytes were.
  raw.on("data", count)
  return () => {
    left = Infinity
    raw.off("data", count)
  }
}
