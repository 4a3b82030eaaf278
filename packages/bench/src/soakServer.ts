/**
 * One capsule server for a long time, under everything at once: random clients that run, stream, detach, feed and kill; links that are
 * cut; clients that are killed; capsules that are made, destroyed under their users, and forgotten. `node src/soakServer.ts [--seconds N]
 * [--seed N] [--tenants N] [--image NAME]`. Ends with 1 when something is left, or grows.
 *
 * It goes by epochs. At the end of each the server has no client and no capsule, and then holds what it held at first: no process of
 * any tree, no container, no directory, no fiber, descriptor or handle more.
 */
import { execFileSync, fork } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Engine from "./engine.ts"
import * as Held from "./held.ts"
import { mebibytes } from "./memory.ts"
import { print } from "./print.ts"
import { Served } from "./served.ts"
import { choose } from "./soakActions.ts"
import { random, slope } from "./statistics.ts"
import { link, tenant, type Town } from "./tenants.ts"
import * as Trees from "./trees.ts"

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "900" },
    seed: { type: "string" },
    tenants: { type: "string", default: "8" },
    image: { type: "string", default: Engine.image }
  }
})
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9))
const epochMillis = Math.min(15, Math.max(3, seconds / 20)) * 1000
const prefix = `soak-${process.pid}-`

const problems: Array<string> = []
const problem = (what: string): void => {
  problems.push(what)
  print(`PROBLEM  ${what}`)
}

const folder = Fs.mkdtempSync(join(Os.tmpdir(), "effect-exec-soak-"))
process.env["TMPDIR"] = folder
const hasEngine = Engine.isThere()
const served = await Served.start("capsules", ...(hasEngine ? [values.image] : []))

const containers = (): ReadonlyArray<string> =>
  hasEngine
    ? execFileSync("docker", ["ps", "-aq", "--filter", `label=effect-exec.pid=${served.pid}`], { encoding: "utf8" })
        .split("\n")
        .filter((id) => id !== "")
    : []

/** A client in a process of its own, killed when it has something there. */
const killed = (mark: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const child = fork(join(import.meta.dirname, "soakClient.ts"), [served.url, mark])
    child.once("message", () => child.kill("SIGKILL"))
    child.once("exit", () => resume(Effect.void))
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const counts: Record<string, number> = {}
const town: Town = {
  url: served.url,
  templates: hasEngine ? ["local", "local", "docker"] : ["local"],
  prefix,
  killed,
  count: (what) => void (counts[what] = (counts[what] ?? 0) + 1),
  problem
}

const epoch = (number: number): Promise<void> =>
  Effect.gen(function* () {
    const until = performance.now() + epochMillis
    const cuts = yield* link(served.url, random(seed + number))
    const tenants = Array.from({ length: Number(values.tenants) }, (_, index) =>
      tenant({ ...town, url: cuts.url }, choose(random(seed + number * 1_000 + index)), until)
    )
    yield* Effect.all(tenants, { concurrency: "unbounded", discard: true })
    counts["cut"] = (counts["cut"] ?? 0) + cuts.count()
  }).pipe(
    Effect.scoped,
    Effect.exit,
    Effect.map((exit) => {
      if (Exit.isFailure(exit)) problem(`an epoch failed: ${Cause.pretty(exit.cause)}`)
    }),
    Effect.runPromise
  )

/** What is there that should not be. */
const left = async (): Promise<ReadonlyArray<string>> => {
  const { held, sessions } = await served.look()
  return [
    ...(sessions > 0 ? [`${sessions} sessions`] : []),
    ...Trees.left(prefix).map(({ pid, what }) => `process ${pid}: ${what}`),
    ...containers().map((id) => `container ${id}`),
    // What a command made by `mktemp` and could not remove, because it was killed, is nobody's to clean.
    ...Fs.readdirSync(folder).flatMap((name) => (name.startsWith("tmp.") ? [] : [`directory ${name}`])),
    ...(base === undefined ? [] : Held.differences(base, held))
  ]
}
let base: Held.Held | undefined

// Clients that were killed have their grace, capsules that nobody uses their time.
const quiet = async (): Promise<void> => {
  let all = await left()
  for (let tries = 0; tries < 60 && all.length > 0; tries++) {
    await sleep(500)
    all = await left()
  }
  for (const what of all) problem(`left at the end of an epoch: ${what}`)
  if (all.length > 0) Trees.sweep(Trees.left(prefix))
}

const watchdog = setTimeout(
  () => {
    problem("it hangs")
    served.cut()
    process.exit(1)
  },
  (seconds + epochMillis / 1000 + 180) * 1000
)
watchdog.unref()

print(
  `Node ${process.version}, load ${Os.loadavg()[0]!.toFixed(1)}; seed ${seed}, ${seconds} s, ` +
    `${hasEngine ? "local and Docker" : "local"} templates\n`
)
await epoch(-1)
await quiet()
for (const key of Object.keys(counts)) delete counts[key]
base = (await served.look()).held
print(`before:  ${Held.format(base)}`)

const started = performance.now()
const points: Array<readonly [epoch: number, held: Held.Held]> = []
for (let number = 0; performance.now() - started < seconds * 1000; number++) {
  await epoch(number)
  await quiet()
  const { held } = await served.look()
  points.push([number, held])
  print(`${((performance.now() - started) / 1000).toFixed(0).padStart(6)} s: ${Held.format(held)}`)
}

const grows = (what: "heap" | "rss", each: number): void => {
  // The first half may still fill caches and grow heaps to the size that the work needs.
  const half = points.slice(Math.floor(points.length / 2))
  const perEpoch = slope(half.map(([number, held]) => [number, held[what]]))
  const total = perEpoch * half.length
  print(`${what}: ${mebibytes(total)} MiB over the last ${half.length} epochs`)
  if (half.length >= 4 && total > each) problem(`${what} grows by ${mebibytes(perEpoch)} MiB an epoch`)
}

print(`\n${JSON.stringify(counts)}`)
grows("heap", 4 * 1024 * 1024)
grows("rss", 64 * 1024 * 1024)
await served.stop()
Fs.rmSync(folder, { recursive: true, force: true })
print(`\n${problems.length === 0 ? "PASS" : `FAIL  ${problems.length} problems`}  seed ${seed}`)
process.exitCode = problems.length === 0 ? 0 : 1
