/**
 * For how long starting a command keeps everything else in this process waiting: with a small heap, and with a large
 * one, whose page tables a fork has to copy. How that heap is made is said in `memory.ts`.
 */
import { type Bench, interleave, row, type Settings, together } from "./bench.ts"
import * as Subjects from "./subjects.ts"

const argv = ["/bin/true"] as const

const withHeap = (heap: number, { rounds, scale }: Settings, report: Parameters<Bench["run"]>[1]) =>
  together(heap, async (side) => {
    const where = heap === 0 ? "" : `, ${heap} MiB of heap`
    const subjects = heap === 0 ? Subjects.all(Subjects.local) : [Subjects.local.base, ...Subjects.local.ours]
    // One start takes twenty times as long there.
    const part = heap === 0 ? scale : scale / 4
    const blocked = await interleave(side, rounds, {
      task: "blocking",
      params: { argv, times: Math.ceil(40 * part) },
      subjects
    })
    const targets = { agent: { atMost: 0.1 } }
    report(row(blocked, { path: `time of the call${where}`, unit: "ms", figure: "call", targets }))
    report(row(blocked, { path: `lateness of a timer${where}`, unit: "ms", figure: "lateness", targets }))
    if (heap === 0) return
    const latency = await interleave(side, rounds, {
      task: "sequential",
      params: { argv, times: Math.ceil(40 * part) },
      subjects
    })
    report(row(latency, { path: `no-op run, p50${where}`, unit: "ms", figure: "latency" }))
    const started = await interleave(side, rounds, {
      task: "concurrent",
      params: { argv, times: Math.ceil(64 * part), concurrency: 64 },
      subjects
    })
    report(
      row(started, {
        path: `starts, 64 at once${where}`,
        unit: "/s",
        figure: "rate",
        targets: { agent: { atLeast: 5 } }
      })
    )
  })

export const bench: Bench = {
  name: "block",
  run: async (settings, report) => {
    await withHeap(0, settings, report)
    if (settings.heap > 0) await withHeap(settings.heap, settings, report)
  }
}
