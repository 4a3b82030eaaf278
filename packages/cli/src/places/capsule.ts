/** `--on capsule:URL[/ID]`: a capsule of a server, over one WebSocket. What is detached there lives on. */
import * as CapsuleClient from "@effect-exec/capsule/CapsuleClient"
import * as CapsuleExec from "@effect-exec/capsule/CapsuleExec"
import * as NodeWS from "@effect/platform-node/NodeWS"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Failure, refuse } from "../failure.ts"
import type { PlaceModule, Token } from "../place.ts"

/** A server, and which of its capsules. */
export interface Address {
  readonly url: string
  /** Absent: the server's own. */
  readonly id: string | undefined
}

const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|\/|$)/

// A Unix socket, as people write it and as `ws` does, which has the path of a request behind a second colon.
const unixSocket = /^(?:ws\+)?unix:(\/[^:]*)(?::\/?(?:capsules\/)?([^/]*))?$/

/** What `URL[/ID]` means. Without a scheme it is in clear on this machine, and encrypted to any other one. */
export const address = (target: string): Effect.Effect<Address, Failure> => {
  const unix = unixSocket.exec(target)
  if (unix !== null) return Effect.succeed({ url: `ws+unix:${unix[1]}:`, id: unix[2] || undefined })
  const text = /^[a-z]+:\/\//i.test(target) ? target : `${local.test(target) ? "ws" : "wss"}://${target}`
  const url = URL.parse(text)
  if (url === null || !/^(ws|http)s?:$/.test(url.protocol) || url.search !== "" || url.hash !== "") {
    return refuse("A capsule is named capsule:URL[/ID], as capsule:127.0.0.1:7777 or capsule:https://host/build-1")
  }
  if (url.username !== "" || url.password !== "") {
    return refuse("A secret does not belong into an address: use --token-file, or EFFECT_EXEC_TOKEN")
  }
  const path = url.pathname.split("/").filter((part) => part !== "")
  const id = path.pop()
  // As the server names it.
  if (path.at(-1) === "capsules") path.pop()
  return Effect.succeed({
    url: [url.origin === "null" ? `${url.protocol}//${url.host}` : url.origin, ...path].join("/"),
    id
  })
}

/** The server, for what is done with capsules themselves. */
export const server = (url: string, token: Token): Layer.Layer<CapsuleClient.CapsuleClient> =>
  CapsuleClient.layer({ url, token }).pipe(Layer.provide(NodeWS.layerWebSocketConstructor))

export const layer: PlaceModule["layer"] = (target, token) =>
  Effect.map(address(target), ({ id, url }) =>
    CapsuleExec.layer({ url: id === undefined ? `${url}/` : `${url}/capsules/${id}`, token }).pipe(
      Layer.provide(NodeWS.layerWebSocketConstructor)
    )
  )
