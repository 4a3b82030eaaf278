/** The raw stream of an upgraded request, against a server that answers as the engine does. */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as Hijack from "../src/internal/hijack.ts"

const upgraded = "HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"

const serve = (onUpgrade: (socket: Duplex) => void, onRequest?: Http.RequestListener) =>
  Effect.acquireRelease(
    Effect.callback<Http.Server>((resume) => {
      const server = Http.createServer(onRequest)
      // A server that listens for upgrades would take those it wants to refuse, too.
      if (onRequest === undefined) server.on("upgrade", (_request, socket) => onUpgrade(socket))
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => void server.close())
  )

const open = (server: Http.Server, deadlineMillis = 10_000) => {
  const { port } = server.address() as AddressInfo
  const host = { url: `tcp://127.0.0.1:${port}`, hostname: "127.0.0.1", port }
  return Hijack.upgrade(host, { path: "/v1.41/exec/1/start", body: {}, deadlineMillis })
}

/** Reads on to the end, or until so many bytes have come. */
const read = Effect.fnUntraced(function* (stream: Hijack.Upgraded, size = Infinity) {
  const chunks: Array<Buffer> = []
  let left = size
  yield* stream.read((chunk) => {
    chunks.push(Buffer.from(chunk))
    left -= chunk.length
    return left <= 0
  })
  return Buffer.concat(chunks)
})

describe("an upgraded request", () => {
  it.live("what came with the answer comes first, and our end leaves the other direction open", () =>
    Effect.gen(function* () {
      const server = yield* serve((socket) => {
        socket.write(`${upgraded}head`)
        const got: Array<Buffer> = []
        socket.on("data", (chunk: Buffer) => got.push(chunk))
        socket.on("end", () => socket.end(` after ${Buffer.concat(got).toString()}`))
      })
      const stream = yield* open(server)
      yield* stream.write(new TextEncoder().encode("stdin"))
      yield* stream.end
      assert.strictEqual((yield* read(stream)).toString(), "head after stdin")
      assert.strictEqual((yield* read(stream)).length, 0)
    })
  )

  it.live("while nobody reads the sender is stopped, and nothing is lost", () =>
    Effect.gen(function* () {
      const chunk = Buffer.alloc(64 * 1024, "x")
      const total = 64 * 1024 * 1024
      let sent = 0
      const stalled = Promise.withResolvers<void>()
      const server = yield* serve((socket) => {
        socket.write(upgraded)
        const more = () => {
          while (sent < total) {
            sent += chunk.length
            if (!socket.write(chunk)) {
              const timer = setTimeout(() => stalled.resolve(), 200)
              socket.once("drain", () => {
                clearTimeout(timer)
                more()
              })
              return
            }
          }
          socket.end()
        }
        more()
      })
      const stream = yield* open(server)
      const first = yield* read(stream, 1)
      yield* Effect.promise(() => stalled.promise)
      assert.isBelow(sent, total / 2)
      // Interrupted in the middle, it is read on from there.
      let got = first.length
      const third = Promise.withResolvers<void>()
      const count = (chunk: Uint8Array) => {
        got += chunk.length
        if (got > total / 3) third.resolve()
        return false
      }
      const reading = yield* Effect.forkChild(stream.read(count), { startImmediately: true })
      yield* Effect.promise(() => third.promise)
      yield* Fiber.interrupt(reading)
      assert.isBelow(got, total)
      assert.strictEqual(yield* stream.read(count), "end")
      assert.strictEqual(got, total)
    })
  )

  it.live("a refusal is its status and words, in JSON or not", () =>
    Effect.gen(function* () {
      let body = JSON.stringify({ message: "No such exec instance: 1" })
      const server = yield* serve(
        () => {},
        (_request, response) => response.writeHead(404).end(body)
      )
      assert.deepStrictEqual(yield* Effect.flip(open(server)), { status: 404, text: "No such exec instance: 1" })
      body = "client version 1.1 is too old\n"
      assert.deepStrictEqual(yield* Effect.flip(open(server)), { status: 404, text: "client version 1.1 is too old" })
    })
  )

  it.live("an engine that does not answer is given up", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => {})
      assert.strictEqual((yield* Effect.flip(open(server, 50))).code, "ETIMEDOUT")
      server.closeAllConnections()
    })
  )
})
