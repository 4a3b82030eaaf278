/** A client by hand for the server by hand: a socket that stays for short commands, one for each stream. */
import { WebSocket } from "ws"
import { type Argv, type Driver, mustSucceed } from "./driver.ts"
import { type Ports, ports } from "./remote.ts"

const connect = (port: number): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
    socket.once("open", () => resolve(socket))
    socket.once("error", reject)
  })

const ask = (socket: WebSocket, argv: Argv, chunk: (bytes: Buffer) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const take = (data: Buffer, isBinary: boolean) => {
      if (isBinary) return chunk(data)
      socket.off("message", take)
      try {
        mustSucceed(argv, Number(data.toString()))
        resolve()
      } catch (cause) {
        reject(cause as Error)
      }
    }
    socket.on("message", take)
    socket.send(JSON.stringify(argv))
  })

export const open = (at: keyof Ports) => async (): Promise<Driver> => {
  const port = (await ports())[at]
  const idle: Array<WebSocket> = []
  const withSocket = async <A>(use: (socket: WebSocket) => Promise<A>): Promise<A> => {
    const socket = idle.pop() ?? (await connect(port))
    const result = await use(socket)
    idle.push(socket)
    return result
  }
  return {
    run: (argv) =>
      withSocket(async (socket) => {
        const chunks: Array<Buffer> = []
        await ask(socket, argv, (bytes) => chunks.push(bytes))
        return Buffer.concat(chunks).byteLength
      }),
    count: (argv) =>
      withSocket(async (socket) => {
        let size = 0
        await ask(socket, argv, (bytes) => (size += bytes.byteLength))
        return size
      }),
    close: async () => {
      for (const socket of idle) socket.terminate()
    }
  }
}
