/** How fast the output of a command comes, when it is counted and thrown away: for writes of different sizes. */
import { apart, type Bench, interleave, row } from "./bench.ts"
import * as Subjects from "./subjects.ts"

const writes = [
  { size: 65_536, label: "64 KiB", mebibytes: 384, agent: { atLeast: 1.3 } },
  { size: 4096, label: "4 KiB", mebibytes: 128, agent: { atLeast: 1.3 } },
  // A system call for each 100 bytes: the writer is what takes the time.
  { size: 100, label: "100 B", mebibytes: 12, agent: { atLeast: 1 } }
]

export const bench: Bench = {
  name: "throughput",
  run: async ({ rounds, scale }, report) => {
    for (const { agent, label, mebibytes, size } of writes) {
      const count = Math.ceil((mebibytes * scale * 1024 * 1024) / size)
      await apart(Subjects.all(Subjects.local), async (side) => {
        const measured = await interleave(side, rounds, {
          task: "count",
          params: {
            argv: ["dd", "if=/dev/zero", `bs=${size}`, `count=${count}`, "status=none"],
            times: 1,
            size: count * size
          },
          subjects: Subjects.all(Subjects.local)
        })
        const targets = { portable: { atLeast: 0.85 }, agent }
        report(row(measured, { path: `stdout, writes of ${label}`, unit: "MB/s", figure: "rate", targets }))
        report(row(measured, { path: `stdout, writes of ${label}, CPU of Node`, unit: "ms/GB", figure: "cpu" }))
      })
    }
  }
}
