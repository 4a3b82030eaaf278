/** A server, spoken to as clients of Wrenn's API speak, word for word. */
import * as Net from "node:net"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { assert } from "@effect/vitest"
import { LocalExec } from "@effect-exec/local"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import { connect, type RawClient } from "./rawClient.ts"

export const key = "wrn_0123456789abcdef0123456789abcdef"

/** What was said; what it is, the test says. */
export type Json = ReturnType<typeof JSON.parse>

/** What a request was answered with. */
export interface Answer {
  readonly status: number
  readonly type: string | null
  readonly bytes: Buffer
  readonly body: Json
}

/** A server with one template, and a capsule of it. */
export const serving = Effect.fnUntraced(function* ({
  templates = {},
  ...options
}: CapsuleServer.Options & { readonly templates?: CapsuleServer.Templates } = {}) {
  const { url } = yield* CapsuleServer.make({
    auth: Redacted.make(key),
    ...options,
    templates: { minimal: LocalExec.layerTemporary(), ...templates }
  })
  const ask = (
    method: string,
    path: string,
    body?: object | string | FormData,
    headers: Record<string, string> = { "x-api-key": key }
  ): Effect.Effect<Answer> =>
    Effect.promise(async (signal) => {
      const isForm = body instanceof FormData
      const response = await fetch(`${url.replace("ws", "http")}/v1/capsules${path}`, {
        method,
        signal,
        headers: isForm || body === undefined ? headers : { ...headers, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: typeof body === "string" || isForm ? body : JSON.stringify(body) })
      })
      const bytes = Buffer.from(await response.arrayBuffer())
      const type = response.headers.get("content-type")
      return {
        status: response.status,
        type,
        bytes,
        body: type?.startsWith("application/json") === true ? JSON.parse(bytes.toString()) : undefined
      }
    })
  /** The whole answer to a request whose body comes as one likes: bit by bit, until the server has closed the connection. */
  const trickle = (
    path: string,
    type: string,
    bits: Iterable<string | Uint8Array>,
    every = 50
  ): Effect.Effect<string> =>
    Effect.callback((resume) => {
      let text = ""
      const rest = bits[Symbol.iterator]()
      const more = () => {
        const { done, value } = rest.next()
        if (done !== true) socket.write(value)
      }
      const { port } = new URL(url)
      const socket = Net.connect(Number(port), "127.0.0.1", () => {
        socket.write(`POST /v1/capsules${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${key}\r\nConnection: close\r\n`)
        socket.write(`Content-Type: ${type}\r\n`)
        more()
        timer = setInterval(more, every)
      })
      let timer: NodeJS.Timeout | undefined
      socket.on("data", (bytes) => (text += String(bytes)))
      socket.on("error", () => {})
      socket.on("close", () => {
        clearInterval(timer)
        resume(Effect.succeed(text))
      })
      return Effect.sync(() => socket.destroy())
    })
  const open = (path: string, headers: Record<string, string> = { "x-api-key": key }) =>
    Effect.map(connect(`${url}/v1/capsules${path}`, headers, []), conversation)
  const created = yield* ask("POST", "", {})
  assert.strictEqual(created.status, 201)
  const at = `/${created.body.id}`
  return {
    url,
    ask,
    open,
    trickle,
    /** The path of the capsule. */
    at,
    id: created.body.id as string,
    /** A command of `/bin/sh`, and what it wrote. */
    sh: (script: string) =>
      Effect.map(ask("POST", `${at}/exec`, { cmd: "/bin/sh", args: ["-c", script] }), ({ body }) => String(body.stdout))
  }
})

const conversation = (client: RawClient) => ({
  ...client,
  say: (message: unknown) => client.send(JSON.stringify(message)),
  /** Every message, without the pid of the first, when the server has said goodbye: properly. */
  all: Effect.map(client.closed, (code) => {
    assert.strictEqual(code, 1000)
    return client.frames.map((frame) => JSON.parse(String(frame)))
  })
})

/** Asserts that an answer is this error, and nothing more than that is said. */
export const isError = ({ body, status }: Answer, expected: number, code: string, message: string | RegExp): void => {
  assert.strictEqual(status, expected)
  assert.hasAllKeys({ ...body, error: 0 }, ["error"])
  assert.strictEqual(body.error.code, code)
  if (typeof message === "string") assert.strictEqual(body.error.message, message)
  else assert.match(body.error.message, message)
}
