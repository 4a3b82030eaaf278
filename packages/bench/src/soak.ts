/**
 * Does random things to random process trees for a long time and looks for what is left: `node src/soak.ts
 * [--seconds N] [--seed N] [--actors N] [--variant name]`. Ends with 1 when something is.
 *
 * It goes by epochs, each with a layer of its own, at whose end nothing may be left: no process of any tree, no fiber,
 * descriptor or handle, and no more heap than before. A seed repeats what each actor does; when it does it is the
 * machine's.
 */
import * as Os from "node:os"
import { parseArgs } from "node:util"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Exec } from "effect-exec"
import { Fibers } from "./fibers.ts"
import * as Held from "./held.ts"
import { mebibytes } from "./memory.ts"
import { print } from "./print.ts"
import * as Actions from "./soakActions.ts"
import { random, slope } from "./statistics.ts"
import * as Subjects from "./subjects.ts"
import * as Trees from "./trees.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "900" },
    seed: { type: "string" },
    actors: { type: "string", default: "12" },
    variant: { type: "string", default: Subjects.defaultVariant }
  }
})

const layer = Subjects.variants[values.variant]
if (layer === undefined) throw new Error(`There is no ${values.variant}`)
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9))
const epochMillis = Math.min(10, Math.max(2, seconds / 30)) * 1000
const hungMillis = 30_000
const prefix = `soak-${process.pid}-`

const fibers = new Fibers()
const problems: Array<string> = []
const problem = (what: string): void => {
  problems.push(what)
  print(`PROBLEM  ${what}`)
}

const counts: Record<string, number> = {}
const under = new Map<number, { readonly what: string; readonly since: number }>()
const finished = new Set<string>()
let actions = 0

const leaks = (isOurs: (left: Trees.Left) => boolean, when: string): void => {
  const left = Trees.left(prefix).filter(isOurs)
  for (const { mark, pid, what } of left) problem(`process ${pid} of ${mark} is left ${when}: ${what}`)
  Trees.sweep(left)
}

// What is finished must be gone when its effect ends. To look each time would take most of the time.
const gone = (mark: string): void => {
  finished.add(mark)
  if (finished.size % 4 === 0) leaks((left) => left.mark === mark, "at the end of its action")
}

const actor = Effect.fnUntraced(function* (world: Actions.World, chosen: Actions.Choose, until: number) {
  while (performance.now() < until) {
    const number = ++actions
    const action = Actions.next(world, chosen, `${prefix}${number}.`)
    counts[action.kind] = (counts[action.kind] ?? 0) + 1
    under.set(number, { what: action.what, since: performance.now() })
    const exit = yield* Effect.exit(action.effect)
    under.delete(number)
    if (Exit.isFailure(exit)) problem(`${action.what} (${number}): ${Cause.pretty(exit.cause)}`)
  }
})

const choices = Array.from({ length: Number(values.actors) }, (_, index) => Actions.choose(random(seed + index * 7919)))

const epoch = (until: number): Promise<void> =>
  Effect.gen(function* () {
    const world: Actions.World = { exec: yield* Exec.Exec, detached: [], gone }
    yield* Effect.forEach(choices, (chosen) => actor(world, chosen, until), {
      concurrency: "unbounded",
      discard: true
    })
  }).pipe(Effect.provide(layer), fibers.counting, Effect.runPromise)

const watchdog = setInterval(() => {
  leaks(({ mark }) => finished.has(mark), "after its action")
  for (const [number, { since, what }] of under) {
    if (performance.now() - since < hungMillis) continue
    problem(`${what} (${number}) hangs since ${hungMillis / 1000} s`)
    Trees.sweep(Trees.left(prefix))
    print(`FAIL  seed ${seed}`)
    process.exit(1)
  }
}, 500)
// It is no handle that anybody left behind.
watchdog.unref()

print(`${values.variant}, Node ${process.version}, load ${Os.loadavg()[0]!.toFixed(1)}; seed ${seed}, ${seconds} s\n`)
// Code and caches of the first epoch are no leak.
await epoch(performance.now() + 2000)
finished.clear()
const before = await Held.rest(() => fibers.alive)
print(`before:  ${Held.format(before)}`)

const started = performance.now()
const firstAction = actions
const points: Array<readonly [actions: number, held: Held.Held]> = []
while (performance.now() - started < seconds * 1000) {
  await epoch(performance.now() + epochMillis)
  leaks(() => true, "after its layer has closed")
  // Marks are never used again, so that those of the epochs before need not be remembered.
  finished.clear()
  const held = await Held.settle(before, () => fibers.alive)
  for (const difference of Held.differences(before, held)) problem(`after an epoch, ${difference}`)
  points.push([actions - firstAction, held])
  const seconds = ((performance.now() - started) / 1000).toFixed(0)
  print(`${seconds.padStart(6)} s, ${String(actions - firstAction).padStart(7)} actions: ${Held.format(held)}`)
}

// The first half may still fill caches and grow heaps to the size that the work needs.
const half = points.slice(Math.floor(points.length / 2))
const span = half.at(-1)![0] - half[0]![0]
const grows = (what: "heap" | "rss", perAction: number, atLeast: number): void => {
  const each = slope(half.map(([actions, held]) => [actions, held[what]]))
  print(`${what}: ${each.toFixed(0)} B an action over the last ${span} actions, ${mebibytes(each * span)} MiB in all`)
  if (each > perAction && each * span > atLeast) problem(`${what} grows by ${each.toFixed(0)} B an action`)
}

print(
  `\n${actions - firstAction} actions: ${Object.entries(counts)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(", ")}`
)
if (half.length >= 3) {
  grows("heap", 100, 1024 * 1024)
  // Resident memory goes up and down by itself by some tens of MiB.
  grows("rss", 1000, 48 * 1024 * 1024)
}
print(`\n${problems.length === 0 ? "PASS" : `FAIL  ${problems.length} problems`}  seed ${seed}`)
process.exitCode = problems.length === 0 ? 0 : 1
