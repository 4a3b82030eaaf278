/** Collecting 10 MiB of output in one piece. */
import { apart, type Bench, interleave, row } from "./bench.ts"
import * as Subjects from "./subjects.ts"

const size = 10 * 1024 * 1024

export const bench: Bench = {
  name: "collect",
  run: ({ rounds, scale }, report) =>
    apart(Subjects.all(Subjects.local), async (side) => {
      const measured = await interleave(side, rounds, {
        task: "collect",
        params: {
          argv: ["dd", "if=/dev/zero", "bs=65536", "count=160", "status=none"],
          times: Math.ceil(12 * scale),
          size
        },
        subjects: Subjects.all(Subjects.local)
      })
      const targets = { portable: { atLeast: 0.8 }, agent: { atLeast: 0.8 } }
      report(row(measured, { path: "run, collecting 10 MiB", unit: "MB/s", figure: "rate", targets }))
      report(row(measured, { path: "run, collecting 10 MiB, CPU of Node", unit: "ms/GB", figure: "cpu" }))
    })
}
