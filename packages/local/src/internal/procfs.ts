/**
 * Reading `/proc`. Where there is none (macOS), `snapshot` gives `undefined` and the tree is the process group alone.
 */
import * as Fs from "node:fs"
import { parse, type ProcStat } from "./procStat.ts"

/** All processes that can be seen, by pid. */
export type Snapshot = ReadonlyMap<number, ProcStat>

/** Whether this system tells about its processes in `/proc`. */
export const available = process.platform === "linux" && Fs.existsSync("/proc/self/stat")

// One buffer for all reads, which are synchronous: a line has at most some 400 bytes.
const buffer = Buffer.allocUnsafeSlow(4096)

/** The text of a small file below `/proc`; `undefined` when the process is gone or must not be looked at. */
export const readText = (path: string): string | undefined => {
  // Not `readFileSync`: its extra system calls make a scan a third slower.
  let fd: number | undefined
  try {
    fd = Fs.openSync(path, "r")
    return buffer.toString("latin1", 0, Fs.readSync(fd, buffer, 0, buffer.length, null))
  } catch {
    return undefined
  } finally {
    if (fd !== undefined) Fs.closeSync(fd)
  }
}

/** One process, or `undefined` when it is gone. */
export const read = (pid: number | string): ProcStat | undefined => {
  const line = readText(`/proc/${pid}/stat`)
  return line === undefined ? undefined : parse(line)
}

const isPid = (name: string): boolean => name.charCodeAt(0) >= 48 && name.charCodeAt(0) <= 57

// Some 300 processes; after that others have their turn, because a host may run ten thousand.
const sliceMillis = 4

const scan = (done: (snapshot: Snapshot) => void): void => {
  const found = new Map<number, ProcStat>()
  const names = Fs.readdirSync("/proc").filter(isPid)
  let index = 0
  const slice = () => {
    const until = performance.now() + sliceMillis
    while (index < names.length) {
      const stat = read(names[index++]!)
      if (stat !== undefined) found.set(stat.pid, stat)
      if ((index & 31) === 0 && performance.now() > until) return void setImmediate(slice)
    }
    return done(found)
  }
  slice()
}

let waiting: Array<(snapshot: Snapshot) => void> | undefined

/**
 * All processes, looked at after this call. Whoever asks before the look begins shares it, so that ending a thousand
 * trees at once costs about as many looks as ending one.
 */
export const snapshot = (): Promise<Snapshot | undefined> =>
  available
    ? new Promise((resolve) => {
        if (waiting !== undefined) return void waiting.push(resolve)
        waiting = [resolve]
        setImmediate(() => {
          const asked = waiting!
          waiting = undefined
          scan((found) => asked.forEach((answer) => answer(found)))
        })
      })
    : Promise.resolve(undefined)
