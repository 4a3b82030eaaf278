/**
 * The figures that show that nothing is left behind and nothing grows: `node src/mustShow.ts [--variant name]
 * [--runs N]`. Ends with 1 when something is wrong.
 */
import * as Os from "node:os"
import { parseArgs } from "node:util"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { Command, Exec } from "effect-exec"
import { Fibers } from "./fibers.ts"
import * as Held from "./held.ts"
import { collectGarbage, mebibytes } from "./memory.ts"
import { print } from "./print.ts"
import { median, random } from "./statistics.ts"
import * as Subjects from "./subjects.ts"
import * as Trees from "./trees.ts"

const { values } = parseArgs({
  options: {
    variant: { type: "string", default: Subjects.defaultVariant },
    runs: { type: "string", default: "1000" }
  }
})

const layer = Subjects.variants[values.variant]
if (layer === undefined) throw new Error(`There is no ${values.variant}`)
const mark = `show-${process.pid}-`
const fibers = new Fibers()
const run = <A, E>(effect: Effect.Effect<A, E, Exec.Exec>): Promise<A> =>
  Effect.runPromise(fibers.counting(Effect.provide(effect, layer)))

// Of how many parts the heap is looked at after each.
const batches = 10
// A run of which anything is kept keeps some 20 KB. Much less than 1 KB cannot be told from the engine's own moods, of
// 0.1 MiB, in a batch of a hundred; `soak` can.
const maxGrowth = 1000

let failed = 0
const verdict = (isGood: boolean, what: string): void => {
  if (!isGood) failed++
  print(`${isGood ? "PASS" : "FAIL"}  ${what}\n`)
}

const pick = Trees.trees.filter((tree) => tree.ends !== true)

const interruptedRuns = async (count: number): Promise<void> => {
  print(`${count} runs of process trees, interrupted or timed out, 16 at once`)
  const next = random(1)
  let timedOut = 0
  let interrupted = 0
  const problems: Array<string> = []
  const one = Effect.fnUntraced(function* (index: number) {
    const exec = yield* Exec.Exec
    const tree = pick[Math.floor(next() * pick.length)]!
    const millis = 1 + Math.floor(next() * 60)
    const command = Trees.command(tree, `${mark}${index}`)
    if (index % 2 === 0) {
      const result = yield* exec.run(command, { timeout: millis, grace: 40, maxOutput: Infinity })
      if (result.timedOut) timedOut++
      else problems.push(`${tree.name} ended by ${result.endedBy}, not by its timeout`)
    } else {
      const fiber = yield* Effect.forkChild(exec.run(command, { grace: 40, maxOutput: Infinity }), {
        startImmediately: true
      })
      yield* Effect.sleep(millis)
      yield* Fiber.interrupt(fiber)
      const exit = yield* Fiber.await(fiber)
      if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) interrupted++
      else
        problems.push(
          `${tree.name} was not interrupted: ${Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "it ended"}`
        )
    }
  })
  const all = (times: number, from: number) =>
    run(
      Effect.forEach(
        Array.from({ length: times }, (_, index) => from + index),
        one,
        { concurrency: 16, discard: true }
      )
    )
  // Code and caches of the first ones are no leak.
  await all(Math.min(500, count), -500)
  timedOut = interrupted = 0
  const before = await Held.rest(() => fibers.alive)
  const start = performance.now()
  const batch = Math.ceil(count / batches)
  const heaps = [before.heap]
  for (let i = 0; i < batches; i++) {
    await all(batch, 1 + i * batch)
    heaps.push((await Held.look(() => fibers.alive)).heap)
  }
  const seconds = (performance.now() - start) / 1000
  const left = Trees.left(mark)
  const after = await Held.settle(before, () => fibers.alive)
  Trees.sweep(left)
  print(`  timed out ${timedOut}, interrupted ${interrupted}, in ${seconds.toFixed(1)} s`)
  print(`  before: ${Held.format(before)}`)
  print(`  after:  ${Held.format(after)}`)
  print(`  processes left: ${left.length}`)
  for (const { pid, what } of left.slice(0, 10)) print(`    ${pid} ${what}`)
  for (const problem of problems.slice(0, 10)) print(`  ${problem}`)
  const differences = Held.differences(before, after)
  for (const difference of differences) print(`  ${difference}`)
  // The median, because the engine now and then drops megabytes of code that nobody runs any more.
  const growth = median(heaps.slice(1).map((heap, index) => heap - heaps[index]!)) / batch
  print(`  heap after each ${batch} runs, in MiB: ${heaps.map(mebibytes).join("  ")}`)
  verdict(
    left.length === 0 && differences.length === 0 && problems.length === 0 && growth < maxGrowth,
    `nothing left; the heap grew by ${growth.toFixed(0)} B a run (median of ${batches} batches)`
  )
}

const stoppedConsumer = async (): Promise<void> => {
  print("yes through stream, with a consumer that stops after one chunk: RSS of this process over 10 s, in MiB")
  const rss: Array<number> = []
  let chunks = 0
  collectGarbage()
  const sample = Effect.sync(() => void rss.push(process.memoryUsage.rss()))
  await run(
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const command = Trees.command({ name: "yes", script: "exec yes" }, `${mark}yes`)
      yield* Effect.forkChild(
        Stream.runForEach(exec.stream(command), (event) => {
          if (event._tag !== "Stdout") return Effect.void
          chunks++
          return Effect.never
        }),
        { startImmediately: true }
      )
      yield* Effect.repeat(sample, Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(10)]))
    })
  )
  const left = Trees.left(mark)
  Trees.sweep(left)
  print(`  ${rss.map(mebibytes).join("  ")}`)
  const growth = Math.max(...rss) - rss[0]!
  verdict(
    chunks === 1 && growth < 16 * 1024 * 1024 && left.length === 0,
    `${chunks} chunk taken, RSS grew by ${mebibytes(growth)} MiB; processes left after the interruption: ${left.length}`
  )
}

const cappedRun = async (): Promise<void> => {
  print("yes through run, with maxOutput 1 MiB, five times")
  const cap = 1024 * 1024
  let isGood = true
  collectGarbage()
  const before = process.memoryUsage.rss()
  for (let i = 0; i < 5; i++) {
    const start = performance.now()
    const result = await run(
      Exec.run(Command.make("yes", [], { env: { EXEC_BENCH_MARK: `${mark}cap` } }), { maxOutput: cap })
    )
    const millis = performance.now() - start
    const left = Trees.left(mark)
    Trees.sweep(left)
    const rss = process.memoryUsage.rss()
    print(
      `  ${result.stdoutBytes.length} B kept, truncated ${result.truncated}, ended by ${result.endedBy}, exit code ` +
        `${result.exitCode}, ${millis.toFixed(0)} ms, RSS ${mebibytes(rss)} MiB, processes left ${left.length}`
    )
    const isExact = result.stdoutBytes.length === cap && result.stdout === "y\n".repeat(cap / 2)
    isGood &&= isExact && result.truncated && result.endedBy === "maxOutput" && left.length === 0 && millis < 3000
    isGood &&= rss - before < 64 * 1024 * 1024
  }
  verdict(isGood, "exactly 1 MiB kept, truncated, dead; memory flat")
}

print(`${values.variant}, Node ${process.version}, load ${Os.loadavg()[0]!.toFixed(1)}\n`)
await interruptedRuns(Number(values.runs))
await stoppedConsumer()
await cappedRun()
print(failed === 0 ? "All as it should be." : `${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
