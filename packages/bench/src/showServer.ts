/**
 * What one server process carries: 1,000 clients that do nothing beside 100 that do, and 10,000 detached processes:
 * `node src/showServer.ts [--idle N] [--busy N] [--detached N] [--seconds N]`. Ends with 1 when something is wrong.
 */
import * as Os from "node:os"
import { parseArgs } from "node:util"
import { NodeWS } from "@effect/platform-node"
import { CapsuleClient, CapsuleExec } from "@effect-exec/capsule"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Command, Exec } from "effect-exec"
import { mebibytes } from "./memory.ts"
import { print } from "./print.ts"
import { Served } from "./served.ts"
import { quantile } from "./statistics.ts"

const { values } = parseArgs({
  options: {
    idle: { type: "string", default: "1000" },
    busy: { type: "string", default: "100" },
    detached: { type: "string", default: "10000" },
    seconds: { type: "string", default: "10" }
  }
})
const [idle, busy, detached] = [Number(values.idle), Number(values.busy), Number(values.detached)]
const millis = Number(values.seconds) * 1_000

let failed = 0
const verdict = (isGood: boolean, what: string): void => {
  if (!isGood) failed++
  print(`${isGood ? "PASS" : "FAIL"}  ${what}\n`)
}

const connect = (url: string) =>
  Effect.flatMap(Layer.build(Layer.provide(CapsuleExec.layer({ url }), NodeWS.layerWebSocketConstructor)), (context) =>
    Effect.provide(Exec.Exec, context)
  )

const connected = (url: string, count: number) =>
  Effect.forEach(Array.from({ length: count }), () => Effect.tap(connect(url), (exec) => exec.capabilities), {
    concurrency: 50
  })

const times = (name: string, all: ReadonlyArray<number>) =>
  `${name} p50 ${quantile(all, 0.5).toFixed(1)} ms, p99 ${quantile(all, 0.99).toFixed(1)} ms`

/** How long an echo takes, again and again. */
const echoes = Effect.fnUntraced(function* (exec: Exec.Exec["Service"], until: number) {
  const process = yield* exec.spawn(Command.make("cat"), { stdin: "open" })
  const lines = yield* Stream.toPull(Exec.lines(process.events))
  const all: Array<number> = []
  while (performance.now() < until) {
    const begun = performance.now()
    yield* process.write("hello\n")
    yield* lines
    all.push(performance.now() - begun)
    yield* Effect.sleep(5)
  }
  return all
}, Effect.scoped)

/** Runs commands until then, and streams now and then; how long each run took. */
const working = Effect.fnUntraced(function* (exec: Exec.Exec["Service"], until: number) {
  const all: Array<number> = []
  for (let n = 0; performance.now() < until; n++) {
    const begun = performance.now()
    if (n % 20 === 19) {
      const count = yield* Stream.runFold(
        exec.stream(Command.make("head", ["-c", "4194304", "/dev/zero"])),
        () => 0,
        (sum, event) => (event._tag === "Stdout" ? sum + event.bytes.length : sum)
      )
      if (count !== 4_194_304) return yield* Effect.die(new Error(`${count} of 4194304 bytes came`))
      continue
    }
    const { exitCode } = yield* exec.run(Command.shell("exit 3"))
    if (exitCode !== 3) return yield* Effect.die(new Error(`exit code ${exitCode}`))
    all.push(performance.now() - begun)
  }
  return all
})

const connections = async (): Promise<void> => {
  print(`${idle} clients that do nothing, beside ${busy} that run and stream all the time`)
  const served = await Served.start("capsules")
  await Effect.gen(function* () {
    const { create } = yield* CapsuleClient.CapsuleClient
    const { id } = yield* create({ template: "local" })
    const url = `${served.url}/capsules/${id}`
    const look = Effect.promise(() => served.look())

    const workers = yield* connected(url, busy)
    yield* Effect.forEach(workers, (exec) => working(exec, performance.now() + 1_000), { concurrency: "unbounded" })
    const load = Effect.gen(function* () {
      const until = performance.now() + millis
      const probe = yield* connect(url)
      const [runs, echo] = yield* Effect.all(
        [Effect.forEach(workers, (exec) => working(exec, until), { concurrency: "unbounded" }), echoes(probe, until)],
        { concurrency: "unbounded" }
      )
      const all = runs.flat()
      return {
        rate: all.length / (millis / 1_000),
        text: `${(all.length / (millis / 1_000)).toFixed(0)} runs a second, ${times("each", all)}; an echo beside them ${times("", echo)}`
      }
    }).pipe(Effect.scoped)

    const alone = yield* load
    print(`  without the idle ones: ${alone.text}`)
    const before = yield* look
    const scope = yield* Scope.make()
    const begun = performance.now()
    yield* Scope.provide(connected(url, idle), scope)
    const millisEach = (performance.now() - begun) / idle
    const loaded = yield* look
    const each = (loaded.held.rss - before.held.rss) / idle
    const heapEach = (loaded.held.heap - before.held.heap) / idle
    print(
      `  connected, ${millisEach.toFixed(1)} ms each; RSS ${(each / 1024).toFixed(1)} KiB, heap ${(heapEach / 1024).toFixed(1)} KiB each`
    )
    const beside = yield* load
    print(`  beside the idle ones: ${beside.text}`)
    const under = yield* look
    print(
      `  the server then: ${under.sessions} sessions, heap ${mebibytes(under.held.heap)} MiB, RSS ${mebibytes(under.held.rss)} MiB`
    )
    yield* Scope.close(scope, Exit.void)
    const after = yield* look
    verdict(
      after.sessions === busy && each < 64 * 1024 && beside.rate > alone.rate / 2,
      `all answers right; ${after.sessions} sessions left when the idle ones had gone`
    )
  }).pipe(Effect.scoped, Effect.provide(CapsuleClient.layer({ url: served.url })), Effect.runPromise)
  const last = await served.stop()
  verdict(last.fibers === 0, `the server has stopped; fibers left: ${last.fibers}`)
}

const processes = async (): Promise<void> => {
  print(`${detached} detached processes, started and listed over the wire`)
  const served = await Served.start("nothing")
  await Effect.gen(function* () {
    const look = Effect.promise(() => served.look())
    const exec = yield* connect(served.url)
    const start = (index: number) => exec.detach(Command.make("nothing"), { tag: `job-${index}` })
    // Code and caches of the first ones are no part of it.
    yield* Effect.forEach(Array.from({ length: 500 }), (_, n) => Effect.flatMap(start(n), (it) => it.kill()), {
      concurrency: 100
    })
    const before = yield* look
    const begun = performance.now()
    yield* Effect.forEach(Array.from({ length: detached }), (_, n) => start(1_000 + n), {
      concurrency: 100,
      discard: true
    })
    const seconds = (performance.now() - begun) / 1_000
    const after = yield* look
    const heap = (after.held.heap - before.held.heap) / detached
    const rss = (after.held.rss - before.held.rss) / detached
    print(
      `  ${(detached / seconds).toFixed(0)} starts a second; heap ${heap.toFixed(0)} B, RSS ${rss.toFixed(0)} B each, their empty rings included`
    )
    const another = yield* connect(served.url)
    const listing = performance.now()
    const { length } = yield* another.list()
    const listed = performance.now() - listing
    const finding = performance.now()
    const found = yield* another.get(`job-${1_000 + detached - 1}`)
    print(
      `  another client: ${length} listed in ${listed.toFixed(0)} ms, one found by its tag in ${(performance.now() - finding).toFixed(1)} ms`
    )
    yield* found.kill()
    const { length: left } = yield* another.list()
    verdict(
      length === detached && left === detached - 1 && heap < 2_500,
      `at most 2,500 B of heap each: ${heap.toFixed(0)}`
    )
  }).pipe(Effect.scoped, Effect.runPromise)
  const last = await served.stop()
  verdict(last.fibers === 0, `the server has stopped; fibers left: ${last.fibers}`)
}

print(`Node ${process.version}, load ${Os.loadavg()[0]!.toFixed(1)}\n`)
await connections()
await processes()
print(failed === 0 ? "All as it should be." : `${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
