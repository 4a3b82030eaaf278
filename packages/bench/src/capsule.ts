/**
 * Commands on a capsule, beside the same by hand: a server that pipes what it spawns into raw `ws`, frames of 16 KiB, behind a
 * `bufferedAmount` gate. On loopback, and at the end of a path of 100 MB/s and 50 ms.
 */
import { apart, type Bench, interleave, row, type Settings, together } from "./bench.ts"
import * as Subjects from "./subjects.ts"

const near = Subjects.capsule
const far = Subjects.farCapsule

type Report = Parameters<Bench["run"]>[1]

const noop = ({ rounds, scale }: Settings, report: Report) =>
  together(0, async (side) => {
    const measured = await interleave(side, rounds, {
      task: "sequential",
      params: { argv: ["/bin/true"], times: Math.ceil(50 * scale) },
      subjects: Subjects.all(near)
    })
    const targets = { capsule: { atMost: 1.4 } }
    report(row(measured, { path: "capsule: no-op run, p50", unit: "ms", figure: "latency", targets }, near))
    report(row(measured, { path: "capsule: no-op run, CPU of Node", unit: "ms", figure: "cpu" }, near))
  })

const stream = (size: number) => ({
  argv: ["dd", "if=/dev/zero", "bs=65536", `count=${size / 65_536}`, "status=none"] as const,
  size
})

const mebibytes = (count: number, scale: number) => Math.ceil(count * scale) * 1024 * 1024

const throughput = ({ rounds, scale }: Settings, report: Report) =>
  apart(Subjects.all(near), async (side) => {
    const measured = await interleave(side, rounds, {
      task: "count",
      params: { ...stream(mebibytes(256, scale)), times: 1 },
      subjects: Subjects.all(near)
    })
    const targets = { capsule: { atLeast: 0.6 } }
    report(row(measured, { path: "capsule: stdout, 1 process", unit: "MB/s", figure: "rate", targets }, near))
    report(row(measured, { path: "capsule: stdout, CPU of Node (client)", unit: "ms/GB", figure: "cpu" }, near))
  })

const many = ({ rounds, scale }: Settings, report: Report) =>
  apart(Subjects.all(near), async (side) => {
    const measured = await interleave(side, Math.ceil(rounds / 2), {
      task: "counts",
      params: { ...stream(mebibytes(4, scale)), times: 100, concurrency: 100 },
      subjects: Subjects.all(near)
    })
    const targets = { capsule: { atLeast: 0.55 } }
    report(row(measured, { path: "capsule: stdout, 100 processes", unit: "MB/s", figure: "rate", targets }, near))
  })

const distant = ({ rounds, scale }: Settings, report: Report) =>
  apart(Subjects.all(far), async (side) => {
    const measured = await interleave(side, Math.ceil(rounds / 2), {
      task: "count",
      params: { ...stream(mebibytes(384, scale)), times: 1 },
      subjects: Subjects.all(far)
    })
    const targets = { "far capsule": { atLeast: 0.85 } }
    report(row(measured, { path: "capsule: stdout at 50 ms and 100 MB/s", unit: "MB/s", figure: "rate", targets }, far))
    const pings = await interleave(side, Math.ceil(rounds / 2), {
      task: "sequential",
      params: { argv: ["/bin/true"], times: 5 },
      subjects: Subjects.all(far)
    })
    report(row(pings, { path: "capsule: no-op run at 50 ms", unit: "ms", figure: "latency" }, far))
  })

export const bench: Bench = {
  name: "capsule",
  run: async (settings, report) => {
    await noop(settings, report)
    await throughput(settings, report)
    await many(settings, report)
  }
}

export const benchFar: Bench = { name: "capsule-far", run: distant }
