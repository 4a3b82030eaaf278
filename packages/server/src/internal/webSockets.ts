/**
 * The sockets of `ws` as connections.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type WebSocket, WebSocketServer } from "ws"
import type { Connection, Receiver } from "@effect-exec/capsule/Connection"
import { closeCodes, subprotocol } from "@effect-exec/capsule/Wire"

// How long a client has to answer a close; then the socket is cut.
const closeMillis = 1_000

/** Makes sockets of upgrades. Closing the scope lets go of those that are left, once they had time to answer a close. */
export const make = (maxPayload: number): Effect.Effect<WebSocketServer, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(
      () =>
        new WebSocketServer({
          noServer: true,
          perMessageDeflate: false,
          maxPayload,
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

/** A socket as a connection. */
export const connection = (socket: WebSocket): Connection => ({
  send: (frame) => {
    if (socket.readyState === socket.OPEN) socket.send(frame)
  },
  close: (code, reason) => {
    if (socket.readyState !== socket.OPEN) return
    socket.close(code, reason.slice(0, 120))
    const timer = setTimeout(() => socket.terminate(), closeMillis)
    socket.once("close", () => clearTimeout(timer))
  }
})

/** Gives a receiver what comes on a socket. */
export const receive = (socket: WebSocket, receiver: Receiver): void => {
  socket.on("message", (data: Buffer, isBinary) => receiver.frame(isBinary ? data : data.toString()))
  socket.on("close", (code, reason) => receiver.closed(code, reason.toString()))
  // What is wrong with a socket ends it, and its end is what matters.
  socket.on("error", () => {})
}
