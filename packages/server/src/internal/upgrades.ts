/**
 * Requests that become sockets: which endpoint they are for, and whether they may.
 */
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { WebSocketServer } from "ws"
import { closeCodes, subprotocol } from "@effect-exec/capsule/Wire"
import type { Limits } from "../Limits.ts"
import { shownBy } from "./auth.ts"
import type { Entrance } from "./entrance.ts"
import type { Origins } from "./origins.ts"
import type { Report } from "./telemetry.ts"
import * as webSockets from "./webSockets.ts"
import * as conversation from "./wrenn/conversation.ts"

/** What upgrades go through. */
export interface Parts {
  /** Holds a conversation of Wrenn's API. */
  readonly converse: (guest: conversation.Guest) => void
  readonly enter: Entrance
  readonly origins: Origins
  readonly sockets: WebSocketServer
  readonly limits: Limits
  readonly report: Report
}

const reasons = new Map<number, string>(Object.entries(closeCodes).map(([reason, code]) => [code, reason]))

const capsulePath = /^\/(?:capsules\/([^/]+))?$/

const refuse = (socket: Duplex, status: string, words: string): void => {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n${words}\n`)
}

// The id of a path; none where it names none, nothing where it is no text.
const decoded = (part = ""): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** Listens to the upgrades of a server. */
export const make =
  ({ converse, enter, limits, origins, report, sockets }: Parts) =>
  (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    // What is wrong with a socket ends it, and its end is what matters.
    socket.on("error", () => {})
    const { headers, url = "/" } = request
    const path = url.replace(/[?#].*$/, "")
    const topic = conversation.topic(path)
    if (topic !== undefined) {
      const problem = origins.problem(headers)
      if (problem !== undefined) {
        report({ reason: "forbidden", problem, address: request.socket.remoteAddress })
        return refuse(socket, "403 Forbidden", problem)
      }
      if (sockets.clients.size >= limits.connections) {
        return refuse(socket, "503 Service Unavailable", `There are ${limits.connections} connections already.`)
      }
      return sockets.handleUpgrade(request, socket, head, (webSocket) => {
        const entered = webSockets.guard(socket, limits.hello, () => webSocket.terminate())
        const { remoteAddress } = request.socket
        converse({ socket: webSocket, topic, shown: shownBy(headers), entered, address: remoteAddress })
      })
    }
    const match = capsulePath.exec(path)
    const capsule = match === null ? undefined : decoded(match[1])
    if (capsule === undefined) return refuse(socket, "404 Not Found", "There is nothing to connect to at this path.")
    const protocols = (headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim())
    if (!protocols.includes(subprotocol)) {
      return refuse(socket, "400 Bad Request", `This server speaks ${subprotocol}.`)
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      const connection = webSockets.connection(webSocket)
      const refuse = (code: number, problem: string) => {
        connection.close(code, problem)
        report({ reason: reasons.get(code) ?? "other", problem, address: request.socket.remoteAddress })
      }
      // After the upgrade, because a browser tells a page nothing of a status, and all of a close code.
      const problem = origins.problem(headers)
      if (problem !== undefined) return refuse(closeCodes.forbidden, problem)
      if (sockets.clients.size > limits.connections) {
        return refuse(closeCodes.tooMany, `there are ${limits.connections} connections already`)
      }
      const entered = webSockets.guard(socket, limits.hello, () =>
        refuse(closeCodes.tooLarge, `more than ${limits.hello} bytes before Hello`)
      )
      const guest = { connection, capsule: capsule || undefined, shown: shownBy(headers), entered, refuse }
      webSockets.receive(webSocket, enter(guest), limits)
    })
  }
