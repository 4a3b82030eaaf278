/**
 * Commands in containers, beside the engine's own exec: raw calls by hand, its usual client, its CLI. What a local
 * command takes stands beside it.
 */
import { apart, type Bench, interleave, row, type Settings, together } from "./bench.ts"
import * as Engine from "./engine.ts"
import { print } from "./print.ts"
import * as Subjects from "./subjects.ts"

const cast = Subjects.docker
const everybody = Subjects.all(cast)
// Two hundred of the CLI take more memory than a machine has.
const withoutCli = everybody.filter((subject) => subject !== "docker CLI")

type Report = Parameters<Bench["run"]>[1]

const noop = ({ rounds, scale }: Settings, report: Report) =>
  together(0, async (side) => {
    const measured = await interleave(side, rounds, {
      task: "sequential",
      params: { argv: ["/bin/true"], times: Math.ceil(20 * scale) },
      subjects: everybody
    })
    const targets = { own: { atMost: 0.08 }, foreign: { atMost: 0.08 } }
    report(row(measured, { path: "no-op run, p50", unit: "ms", figure: "latency", targets }, cast))
    report(row(measured, { path: "no-op run, CPU of Node", unit: "ms", figure: "cpu" }, cast))
  })

const concurrent = ({ rounds }: Settings, report: Report) =>
  together(0, async (side) => {
    // The engine's own take 6 s, and scatter little.
    const measured = await interleave(side, Math.ceil(rounds / 2), {
      task: "concurrent",
      params: { argv: ["/bin/true"], times: 200, concurrency: 200 },
      subjects: withoutCli
    })
    const targets = { own: { atMost: 0.05 }, foreign: { atMost: 0.05 } }
    report(row(measured, { path: "200 at once, all of them", unit: "ms", figure: "millis", targets }, cast))
  })

const throughput = ({ rounds, scale }: Settings, report: Report) =>
  apart(everybody, async (side) => {
    const size = 65_536
    const count = Math.ceil(4096 * scale)
    const measured = await interleave(side, rounds, {
      task: "count",
      params: {
        argv: ["dd", "if=/dev/zero", `bs=${size}`, `count=${count}`, "status=none"],
        times: 1,
        size: count * size
      },
      subjects: everybody
    })
    const targets = { own: { atLeast: 1.5 }, foreign: { atLeast: 0.75 } }
    report(row(measured, { path: "stdout, writes of 64 KiB", unit: "MB/s", figure: "rate", targets }, cast))
    report(row(measured, { path: "stdout, writes of 64 KiB, CPU of Node", unit: "ms/GB", figure: "cpu" }, cast))
  })

/** One of them by itself; without an engine it says so. */
const bench = (name: string, run: (settings: Settings, report: Report) => Promise<void>): Bench => ({
  name,
  run: async (settings, report) => {
    if (!Engine.isThere()) return print(`${name}: NOT MEASURED, no engine answers`)
    await run(settings, report)
  }
})

export const benches: ReadonlyArray<Bench> = [
  bench("docker-noop", noop),
  bench("docker-starts", concurrent),
  bench("docker-throughput", throughput)
]
