/** The library that most programs use. */
import { execa } from "execa"
import { type Driver, env, mustSucceed } from "./driver.ts"

const options = { stdin: "ignore", env, extendEnv: false } as const

export const open = async (): Promise<Driver> => ({
  run: async ([program, ...args]) => {
    const result = await execa(program, args, { ...options, encoding: "buffer", maxBuffer: Infinity })
    mustSucceed([program, ...args], result.exitCode)
    return result.stdout.byteLength + result.stderr.byteLength
  },
  count: async ([program, ...args]) => {
    const child = execa(program, args, { ...options, buffer: false })
    let size = 0
    child.stdout.on("data", (chunk: Buffer) => (size += chunk.byteLength))
    child.stderr.on("data", (chunk: Buffer) => (size += chunk.byteLength))
    await child
    return size
  },
  close: async () => {}
})
