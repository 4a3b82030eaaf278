/**
 * What a careful engineer would write by hand against the engine: create an exec, hijack its stream, count what comes
 * without copying it, ask how it ended.
 */
import * as Http from "node:http"
import type { Socket } from "node:net"
import { type Argv, type Driver, mustSucceed } from "./driver.ts"
import * as Engine from "./engine.ts"

const agent = new Http.Agent({ keepAlive: true, maxSockets: 256 })

const options = (method: string, path: string, body: string, headers: Http.OutgoingHttpHeaders = {}) => ({
  socketPath: Engine.socketPath,
  method,
  path,
  headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...headers }
})

const ask = (method: string, path: string, body = ""): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const request = Http.request({ ...options(method, path, body), agent }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.once("end", () => resolve(JSON.parse(Buffer.concat(chunks).toString())))
    })
    request.once("error", reject)
    request.end(body)
  })

const hijack = (path: string, body: string): Promise<readonly [socket: Socket, head: Buffer]> =>
  new Promise((resolve, reject) => {
    const request = Http.request({
      ...options("POST", path, body, { Connection: "Upgrade", Upgrade: "tcp" }),
      agent: false
    })
    request.once("error", reject)
    request.once("upgrade", (_response, socket, head) => resolve([socket, head]))
    request.end(body)
  })

/** Counts what frames hold, by stepping from header to header. */
const counter = () => {
  const header = Buffer.alloc(8)
  let have = 0
  let left = 0
  let size = 0
  return {
    take: (chunk: Buffer) => {
      let at = 0
      while (at < chunk.length) {
        if (left > 0) {
          const part = Math.min(left, chunk.length - at)
          left -= part
          size += part
          at += part
        } else {
          header[have++] = chunk[at++]!
          if (have < 8) continue
          have = 0
          left = header.readUInt32BE(4)
        }
      }
    },
    size: () => size
  }
}

const run = async (container: string, argv: Argv): Promise<number> => {
  const body = JSON.stringify({ AttachStdout: true, AttachStderr: true, Cmd: argv })
  const exec = (await ask("POST", `/containers/${container}/exec`, body)) as { readonly Id: string }
  const [socket, head] = await hijack(`/exec/${exec.Id}/start`, JSON.stringify({ Detach: false, Tty: false }))
  const { size, take } = counter()
  take(head)
  socket.on("data", take)
  await new Promise((resolve) => socket.once("end", resolve))
  socket.destroy()
  const info = (await ask("GET", `/exec/${exec.Id}/json`)) as { readonly ExitCode: number | null }
  mustSucceed(argv, info.ExitCode)
  return size()
}

export const open = async (): Promise<Driver> => {
  const container = await Engine.start()
  return {
    run: (argv) => run(container, argv),
    count: (argv) => run(container, argv),
    close: () => Engine.remove(container)
  }
}
