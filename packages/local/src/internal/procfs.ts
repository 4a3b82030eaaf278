/**
 * Reading `/proc`. Where there is none (macOS), `snapshot` gives `undefined` and the tree is the process group alone.
 */
import * as Fs from "node:fs"
import { isAlive, parse, type ProcStat } from "./procStat.ts"

/** A look at all processes. */
export interface Snapshot {
  readonly processes: ReadonlyMap<number, ProcStat>
  /**
   * Whether nobody can have been missed. A process that starts another and exits, again and again, may be at a new pid
   * whenever its old one is looked at; then only the dead ones are found.
   */
  readonly settled: boolean
}

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

/**
 * Who was started by this process and not yet waited for, as far as one small read tells: what the kernel does not list,
 * other threads started, or stands behind the first four kilobytes, is missing.
 */
export const children = (parent: number): ReadonlyArray<ProcStat> => {
  const pids = readText(`/proc/${parent}/task/${parent}/children`)?.match(/\d+/g) ?? []
  // A number that was cut off is somebody else's.
  return pids.flatMap((pid) => read(pid) ?? []).filter((stat) => stat.ppid === parent)
}

const isPid = (name: string): boolean => name.charCodeAt(0) >= 48 && name.charCodeAt(0) <= 57

// Some 300 processes; after that others have their turn, because a host may run ten thousand.
const sliceMillis = 4
// A host on which somebody always starts and exits in between is looked at again later, by whoever needs to be sure.
const maxLists = 8

const scan = (done: (snapshot: Snapshot) => void): void => {
  const processes = new Map<number, ProcStat>()
  let lists = 0
  let names: ReadonlyArray<string> = []
  let index = 0
  let missed = false
  const slice = (): void => {
    const until = performance.now() + sliceMillis
    for (;;) {
      while (index < names.length) {
        const stat = read(names[index++]!)
        if (stat !== undefined) processes.set(stat.pid, stat)
        if (stat === undefined || !isAlive(stat)) missed = true
        if ((index & 31) === 0 && performance.now() > until) return void setImmediate(slice)
      }
      // A pid is listed before it is read, and whoever had it may have gone on to a new one in between. The list is in
      // the order of the pids, and new ones are higher: when all that is new in it was alive when it was read, nobody
      // slipped through.
      if (lists > 1 && !missed) return done({ processes, settled: true })
      if (lists === maxLists) return done({ processes, settled: false })
      lists++
      names = Fs.readdirSync("/proc").filter((name) => isPid(name) && !processes.has(Number(name)))
      index = 0
      missed = false
    }
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
