/** The latency of a command that does nothing, one after the other. */
import { type Bench, interleave, row, together } from "./bench.ts"
import * as Subjects from "./subjects.ts"

export const bench: Bench = {
  name: "noop",
  run: ({ rounds, scale }, report) =>
    together(0, async (side) => {
      const measured = await interleave(side, rounds, {
        task: "sequential",
        params: { argv: ["/bin/true"], times: Math.ceil(60 * scale) },
        subjects: Subjects.all(Subjects.local)
      })
      const targets = { portable: { atMost: 1.15 }, agent: { atMost: 0.8 } }
      report(row(measured, { path: "no-op run, p50", unit: "ms", figure: "latency", targets }))
      report(row(measured, { path: "no-op run, CPU of Node", unit: "ms", figure: "cpu" }))
    })
}
