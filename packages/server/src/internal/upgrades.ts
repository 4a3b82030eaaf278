/**
 * Requests that become sockets: which endpoint they are for, and whether they may.
 */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { WebSocketServer } from "ws"
import { closeCodes, subprotocol } from "@effect-exec/capsule/Wire"
import { shownBy } from "./auth.ts"
import type { Entrance } from "./entrance.ts"
import type { Origins } from "./origins.ts"
import * as webSockets from "./webSockets.ts"

/** What upgrades go through. */
export interface Parts {
  readonly enter: Entrance
  readonly origins: Origins
  readonly sockets: WebSocketServer
}

const capsulePath = /^\/(?:capsules\/([^/]+))?$/

const refuse = (socket: Duplex, status: string, words: string): void => {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${words}\n`)
}

/** Listens to the upgrades of a server. */
export const make =
  ({ enter, origins, sockets }: Parts) =>
  (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // What is wrong with a socket ends it, and its end is what matters.
    socket.on("error", () => {})
    const { headers, url = "/" } = request
    const path = capsulePath.exec(url.replace(/[?#].*$/, ""))
    if (path === null) return refuse(socket, "404 Not Found", "There is nothing to connect to at this path.")
    const protocols = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim())
    if (!protocols.includes(subprotocol)) {
      return refuse(socket, "400 Bad Request", `This server speaks ${subprotocol}.`)
    }
    const capsule = path[1] === undefined ? undefined : decodeURIComponent(path[1])
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = webSockets.connection(webSocket)
      const problem = origins.problem(headers)
      // After the upgrade, because a browser tells a page nothing of a status, and all of a close code.
      if (problem !== undefined) return connection.close(closeCodes.forbidden, problem)
      webSockets.receive(webSocket, enter({ connection, capsule, shown: shownBy(headers) }))
    })
  }
