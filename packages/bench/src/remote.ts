/** The process at the other end of the capsule benches: started when it is first needed, ended with this one. */
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

/** Where it listens: by hand and ours, each on loopback and at the end of a path of 100 MB/s and 50 ms. */
export interface Ports {
  readonly raw: number
  readonly capsule: number
  readonly farRaw: number
  readonly farCapsule: number
}

let started: Promise<Ports> | undefined

export const ports = (): Promise<Ports> => {
  started ??= new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL("capsuleHost.ts", import.meta.url))], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    child.once("error", reject)
    child.stdout.once("data", (line) => resolve(JSON.parse(String(line)) as Ports))
    // Its stdin ends with this process; it alone keeps nobody alive.
    child.unref()
    for (const stream of [child.stdin, child.stdout]) (stream as unknown as { unref(): void }).unref()
  })
  return started
}
