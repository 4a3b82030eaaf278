/** The engine's usual client, as its own page shows it. */
import { PassThrough } from "node:stream"
import { type Argv, type Driver, mustSucceed } from "./driver.ts"
import * as Engine from "./engine.ts"

export const open = async (): Promise<Driver> => {
  // Loaded here, for it is large, and the other sides should not pay for it.
  const { default: Docker } = await import("dockerode")
  const docker = new Docker()
  const id = await Engine.start()
  const container = docker.getContainer(id)
  const run = async (argv: Argv, take: (chunk: Buffer) => void) => {
    const exec = await container.exec({ AttachStdout: true, AttachStderr: true, Cmd: [...argv] })
    const stream = await exec.start({ hijack: true, stdin: true })
    const [stdout, stderr] = [new PassThrough(), new PassThrough()]
    stdout.on("data", take)
    stderr.on("data", take)
    docker.modem.demuxStream(stream, stdout, stderr)
    await new Promise((resolve) => stream.once("end", resolve))
    // What it has demultiplexed is given in the next turn.
    await new Promise((resolve) => setImmediate(resolve))
    mustSucceed(argv, (await exec.inspect()).ExitCode)
  }
  return {
    run: async (argv) => {
      const chunks: Array<Buffer> = []
      await run(argv, (chunk) => chunks.push(chunk))
      return Buffer.concat(chunks).byteLength
    },
    count: async (argv) => {
      let size = 0
      await run(argv, (chunk) => (size += chunk.byteLength))
      return size
    },
    close: () => Engine.remove(id)
  }
}
