/**
 * What one side does in one slice of a round, and the figures it brings back. Runs in a process of its own, see
 * `side.ts`.
 */
import type { Argv, Driver } from "./driver.ts"
import { collectGarbage } from "./memory.ts"
import { median } from "./statistics.ts"

/** Figures by name. */
export type Figures = Readonly<Record<string, number>>

/** What a task is told. */
export interface Params {
  readonly argv: Argv
  /** How often, or how many. */
  readonly times: number
  /** How many at once. */
  readonly concurrency?: number
  /** How many bytes the output must have. */
  readonly size?: number
}

export type Task = (driver: Driver, params: Params) => Promise<Figures>

// User and system time of this whole process, in milliseconds: the part of a fork that the parent pays is in it, what
// the child does is not.
const cpu = (): number => {
  const { system, user } = process.cpuUsage()
  return (user + system) / 1000
}

/** One after the other. */
const sequential: Task = async (driver, { argv, times }) => {
  const each: Array<number> = []
  const before = cpu()
  for (let i = 0; i < times; i++) {
    const start = performance.now()
    await driver.run(argv)
    each.push(performance.now() - start)
  }
  return { latency: median(each), cpu: (cpu() - before) / times }
}

/** Some at once, until all are done. */
const concurrent: Task = async (driver, { argv, concurrency = 1, times }) => {
  let left = times
  const start = performance.now()
  const lane = async () => {
    while (left-- > 0) await driver.run(argv)
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, times) }, lane))
  const millis = performance.now() - start
  return { rate: (times * 1000) / millis, millis }
}

const timerLateness = (): Promise<number> => {
  const due = performance.now() + 1
  return new Promise((resolve) => setTimeout(() => resolve(Math.max(0, performance.now() - due)), 1))
}

/**
 * The time of the call that starts a command, and by how much a timer that was due 1 ms after it began comes too late:
 * what other work of this process notices. A spin over `setImmediate` would measure the other processes of the machine.
 */
const blocking: Task = async (driver, { argv, times }) => {
  const calls: Array<number> = []
  const latenesses: Array<number> = []
  for (let i = 0; i < times; i++) {
    const lateness = timerLateness()
    const start = performance.now()
    const done = driver.run(argv)
    calls.push(performance.now() - start)
    latenesses.push(await lateness)
    await done
  }
  return { call: median(calls), lateness: median(latenesses) }
}

const bytes =
  (how: "run" | "count"): Task =>
  async (driver, { argv, size, times }) => {
    const [startCpu, start] = [cpu(), performance.now()]
    let got = 0
    for (let i = 0; i < times; i++) got += await driver[how](argv)
    const [millis, cpuMillis] = [performance.now() - start, cpu() - startCpu]
    if (size !== undefined && got !== size * times) throw new Error(`${size * times} bytes expected, ${got} came`)
    return { rate: got / 1000 / millis, cpu: (cpuMillis * 1e9) / got }
  }

/** As `count`, some at once. */
const counts: Task = async (driver, { argv, size = 0, times }) => {
  const start = performance.now()
  const one = async () => {
    const got = await driver.count(argv)
    if (got !== size) throw new Error(`${size} bytes expected, ${got} came`)
  }
  await Promise.all(Array.from({ length: times }, one))
  return { rate: (size * times) / 1000 / (performance.now() - start) }
}

/** Memory of this process for each of many commands that do nothing. */
const idle: Task = async (driver, { argv, times }) => {
  const { hold } = driver
  if (hold === undefined) return {}
  // What the first ones cost, code and caches, is not theirs.
  for (const end of await Promise.all(Array.from({ length: 32 }, () => hold(argv)))) await end()
  const settle = async () => {
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      collectGarbage()
    }
    return process.memoryUsage()
  }
  const before = await settle()
  const held: Array<() => Promise<unknown>> = []
  for (let i = 0; i < times; i++) held.push(await hold(argv))
  const after = await settle()
  await Promise.all(held.map((end) => end()))
  return {
    heap: (after.heapUsed - before.heapUsed) / times,
    external: (after.external - before.external) / times,
    rss: (after.rss - before.rss) / times
  }
}

export const tasks = { sequential, concurrent, blocking, count: bytes("count"), counts, collect: bytes("run"), idle }

export type TaskName = keyof typeof tasks
