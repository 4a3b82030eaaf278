/**
 * The other end of the capsule benches, in a process of its own: `raw`, a server by hand, and `capsule`, ours, both in
 * front of commands on this machine. Says where they listen, and ends with its stdin.
 */
import { spawn } from "node:child_process"
import { CapsuleServer } from "@effect-exec/server"
import { LocalExec } from "@effect-exec/local"
import * as Effect from "effect/Effect"
import { type WebSocket, WebSocketServer } from "ws"
import { env } from "./driver.ts"

// A careful engineer's: frames of 16 KiB, and no more given to the socket than it can send.
const frame = 16 * 1024
const gate = 1024 * 1024

const pump = (socket: WebSocket, argv: ReadonlyArray<string>): void => {
  const [program, ...args] = argv
  const child = spawn(program!, args, { stdio: ["ignore", "pipe", "pipe"], env })
  for (const output of [child.stdout, child.stderr]) {
    output.on("data", (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; at += frame) {
        socket.send(chunk.subarray(at, at + frame), () => {
          if (socket.bufferedAmount < gate) output.resume()
        })
      }
      if (socket.bufferedAmount >= gate) output.pause()
    })
  }
  child.once("close", (code) => {
    socket.send(String(code))
  })
}

const raw = Effect.callback<number>((resume) => {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false }, () => {
    resume(Effect.succeed((server.address() as { readonly port: number }).port))
  })
  server.on("connection", (socket) => {
    // One command after the other; as many sockets as there are commands at a time.
    socket.on("message", (data: Buffer) => pump(socket, JSON.parse(data.toString()) as ReadonlyArray<string>))
  })
})

const program = Effect.gen(function* () {
  const rawPort = yield* raw
  const { port } = yield* CapsuleServer.make()
  process.stdout.write(`${JSON.stringify({ raw: rawPort, capsule: port })}\n`)
  yield* Effect.callback<void>((resume) => {
    process.stdin.on("end", () => resume(Effect.void)).resume()
  })
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, LocalExec.layer)))
process.exit(0)
