/** The processes at the other end of the capsule benches: started when they are first needed, ended with this one. */
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

// Its stdin ends with this process; it alone keeps nobody alive.
const start = (program: string, ...args: ReadonlyArray<string>): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url)), ...args], {
      stdio: ["pipe", "pipe", "inherit"]
    })
    child.once("error", reject)
    child.stdout.once("data", (line) => resolve(JSON.parse(String(line))))
    child.unref()
    for (const stream of [child.stdin, child.stdout]) (stream as unknown as { unref(): void }).unref()
  })

const startAll = async (): Promise<Ports> => {
  const host = (await start("capsuleHost.ts")) as Pick<Ports, "capsule" | "raw">
  const [farRaw, farCapsule] = (await start("capsulePaths.ts", `${host.raw}`, `${host.capsule}`)) as [number, number]
  return { ...host, farRaw, farCapsule }
}

export const ports = (): Promise<Ports> => (started ??= startAll())
