/**
 * What a detached process that does nothing costs this one: its ring, empty, included. Node's own object for a child,
 * which the base has too, is subtracted.
 */
import { apart, type Bench, type Measured, row } from "./bench.ts"
import * as Subjects from "./subjects.ts"
import type { Figures } from "./tasks.ts"

const subjects = [Subjects.local.base, ...Subjects.local.ours]

export const bench: Bench = {
  name: "idle",
  run: async ({ rounds, scale }, report) => {
    const measured = new Map<string, Array<Figures>>(subjects.map((subject) => [subject, []]))
    // Memory repeats itself better than time does, and only in a fresh process.
    for (let round = 0; round < Math.min(rounds, 3); round++) {
      await apart(subjects, async (side) => {
        for (const subject of subjects) {
          const params = { argv: ["sleep", "1000"], times: Math.ceil(300 * scale) } as const
          measured.get(subject)!.push(await side(subject).ask({ subject, task: "idle", params }))
        }
      })
    }
    const result: Measured = measured
    const limit = { atMost: 2500 }
    const targets = { portable: limit, agent: limit }
    report(
      row(result, { path: "idle detached, heap beyond raw", unit: "B", figure: "heap", of: "difference", targets })
    )
    report(row(result, { path: "idle detached, external", unit: "B", figure: "external", of: "difference" }))
    report(row(result, { path: "idle detached, RSS beyond raw", unit: "B", figure: "rss", of: "difference" }))
  }
}
