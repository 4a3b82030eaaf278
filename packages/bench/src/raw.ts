/**
 * What a careful engineer would write by hand, without a library.
 */
import { spawn } from "node:child_process"
import { type Driver, env, mustSucceed } from "./driver.ts"

export const open = async (): Promise<Driver> => ({
  run: (argv) =>
    new Promise((resolve, reject) => {
      const [program, ...args] = argv
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env })
      const stdout: Array<Buffer> = []
      const stderr: Array<Buffer> = []
      child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
      child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
      child.once("error", reject)
      child.once("close", (code) => {
        try {
          mustSucceed(argv, code)
          resolve(Buffer.concat(stdout).byteLength + Buffer.concat(stderr).byteLength)
        } catch (cause) {
          reject(cause)
        }
      })
    }),
  count: (argv) =>
    new Promise((resolve, reject) => {
      const [program, ...args] = argv
      const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env })
      let size = 0
      child.stdout.on("data", (chunk: Buffer) => (size += chunk.byteLength))
      child.stderr.on("data", (chunk: Buffer) => (size += chunk.byteLength))
      child.once("error", reject)
      child.once("close", () => resolve(size))
    }),
  hold: async (argv) => {
    const [program, ...args] = argv
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], env, detached: true })
    child.stdout.on("data", () => {})
    child.stderr.on("data", () => {})
    const closed = new Promise((resolve) => child.once("close", resolve))
    return () => {
      child.kill("SIGKILL")
      return closed
    }
  },
  close: async () => {}
})
