/** Commands per second, when several run at once. */
import { type Bench, interleave, row, together } from "./bench.ts"
import * as Subjects from "./subjects.ts"

export const bench: Bench = {
  name: "starts",
  run: ({ rounds, scale }, report) =>
    together(0, async (side) => {
      for (const concurrency of [1, 8, 64]) {
        const measured = await interleave(side, rounds, {
          task: "concurrent",
          params: { argv: ["/bin/true"], times: Math.max(concurrency, Math.ceil(128 * scale)), concurrency },
          subjects: Subjects.all(Subjects.local)
        })
        report(
          row(measured, {
            path: `starts, ${concurrency} at once`,
            unit: "/s",
            figure: "rate",
            ...(concurrency === 64 ? { targets: { agent: { atLeast: 2.5 } } } : {})
          })
        )
      }
    })
}
