/**
 * The table of detached processes: what starts once, what it still knows when its layer closed, who follows it.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Random, References, Scope, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { type Backend, Command, Exec, ExecError, ExitStatus, ProcessId } from "effect-exec"
import { type Program, TestExec } from "@effect-exec/testing"

const MiB = 1024 * 1024

const programs = {
  hang: () => Effect.never,
  hi: (io) => io.stdout("hi\n"),
  quiet: () => Effect.void,
  cat: (io) => Stream.runForEach(io.stdin, (bytes) => io.stdout(bytes)),
  mebibytes: (io) => io.stdout(new Uint8Array(Number(io.args[0]) * MiB)),
  ps: (io) => Effect.flatMap(io.processes, (all) => io.stdout(all.map(({ argv }) => argv.join(" ")).join("\n")))
} satisfies Record<string, Program.Program>

const command = (name: keyof typeof programs, ...args: ReadonlyArray<string>) => Command.make(name, args)

const layer = Layer.suspend(() => TestExec.layer({ programs }))

const layerOf = (change: (backend: Backend.Backend) => Backend.Backend) =>
  Layer.effect(
    Exec.Exec,
    Effect.flatMap(TestExec.backend(TestExec.sandbox({ programs })), (backend) => Exec.make(change(backend)))
  )

const reasonOf = <A>(exit: Exit.Exit<A, unknown>): string => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return ExecError.isExecError(error) ? error.reason._tag : `no failure: ${exit._tag}`
}

describe("a layer that closes", () => {
  it.effect("C31 a detach that is under way fails with Closed, and leaves no process", () =>
    Effect.gen(function* () {
      const sandbox = TestExec.sandbox({ programs })
      const asked = yield* Deferred.make<void>()
      const gate = yield* Deferred.make<void>()
      // What the backend owns lives on, so that only the table can end what it was about to take.
      const backend = yield* TestExec.backend(sandbox)
      const scope = yield* Scope.make()
      const slow = Exec.make({
        ...backend,
        spawn: (request) =>
          Deferred.succeed(asked, void 0).pipe(
            Effect.andThen(Deferred.await(gate)),
            Effect.andThen(backend.spawn(request))
          )
      })
      const exec = yield* Scope.provide(slow, scope)
      const detaching = yield* Effect.forkChild(Effect.exit(exec.detach(command("hang"))))
      yield* Deferred.await(asked)
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.succeed(gate, void 0)
      assert.strictEqual(reasonOf(yield* Fiber.join(detaching)), "Closed")
      const left = yield* Effect.provide(Exec.run(command("ps")), TestExec.layerSandbox(sandbox))
      assert.strictEqual(left.stdout, "ps")
    }).pipe(Effect.scoped)
  )

  it.effect("C35 truncates nothing of processes that wrote nothing", () =>
    Effect.gen(function* () {
      const [hang, quiet] = yield* Effect.gen(function* () {
        const hang = yield* Exec.detach(command("hang"))
        const quiet = yield* Exec.detach(command("quiet"))
        yield* quiet.wait()
        return [hang, quiet] as const
      }).pipe(Effect.provide(layer))
      const ended = yield* quiet.wait()
      assert.isFalse(ended.truncated)
      assert.deepStrictEqual(ended.status, ExitStatus.exited(0))
      const killed = yield* hang.wait()
      assert.isFalse(killed.truncated)
      assert.deepStrictEqual(killed.status, ExitStatus.signaled("SIGTERM"))
    })
  )
})

describe("what starts once", () => {
  it.effect("C30 an id, however slow the backend tells what it can, and however many ask at once", () => {
    let starts = 0
    const slow = layerOf((backend) => ({
      ...backend,
      capabilities: Effect.delay(backend.capabilities, "20 millis"),
      spawn: (request) =>
        Effect.suspend(() => {
          starts++
          return Effect.delay(backend.spawn(request), "20 millis")
        })
    }))
    return Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const id = ProcessId.make("job-1")
      // With a stdin the capabilities are asked for.
      const detach = exec.detach(command("cat"), { id, stdin: "open" })
      const detaching = yield* Effect.forkChild(Effect.all([detach, detach, detach], { concurrency: "unbounded" }))
      yield* TestClock.adjust("1 second")
      const pids = (yield* Fiber.join(detaching)).map(({ pid }) => pid)
      assert.strictEqual(starts, 1)
      assert.strictEqual(new Set(pids).size, 1)
      assert.lengthOf(yield* exec.list(), 1)
    }).pipe(Effect.provide(slow))
  })

  it.effect("C30 a generated id or tag that repeats is drawn anew", () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const seeded = Random.withSeed("seed")
      const both = yield* Effect.all([seeded(exec.detach(command("hang"))), seeded(exec.detach(command("hang")))])
      const tags = yield* Effect.all(
        ["a", "b"].map((id) => seeded(exec.detach(command("hang"), { id: ProcessId.make(id) })))
      )
      const ids = yield* Effect.all(["c", "d"].map((tag) => seeded(exec.detach(command("hang"), { tag }))))
      const all = [...both, ...tags, ...ids]
      assert.strictEqual(new Set(all.map(({ id }) => id)).size, 6)
      assert.strictEqual(new Set(all.map(({ tag }) => tag)).size, 6)
      assert.strictEqual(new Set(all.map(({ pid }) => pid)).size, 6)
      assert.lengthOf(yield* exec.list(), 6)
    }).pipe(Effect.provide(layer))
  )

  it.effect("C30 a tag that was given is refused while it is in use", () =>
    Effect.gen(function* () {
      yield* Exec.detach(command("hang"), { tag: "mine" })
      const exit = yield* Effect.exit(Exec.detach(command("hang"), { tag: "mine" }))
      assert.strictEqual(reasonOf(exit), "TagInUse")
    }).pipe(Effect.provide(layer))
  )
})

describe("what is retained", () => {
  it.effect("C35 counts what is held, not what was read meanwhile", () =>
    Effect.gen(function* () {
      const write = (mebibytes: number) =>
        Effect.gen(function* () {
          const ring = mebibytes * MiB
          const process = yield* Exec.detach(command("mebibytes", String(mebibytes)), { ring })
          yield* process.wait()
          // Until it is retained, which follows its end.
          yield* TestClock.adjust(0)
          return process
        })
      const first = yield* write(1)
      for (let time = 0; time < 5; time++) {
        const process = yield* write(16)
        assert.strictEqual((yield* process.read).stdout.length, 16 * MiB)
      }
      assert.strictEqual(yield* first.bufferSize, MiB)
      assert.strictEqual(yield* first.evicted, 0)
      assert.isFalse((yield* first.wait()).truncated)
    }).pipe(Effect.provide(layer))
  )
})

describe("the events of all", () => {
  const failing = Stream.fail("the source broke")

  it.live("C38 a stdin that fails ends neither the callbacks of the others nor their events", () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const called: Array<string> = []
      const followed: Array<string> = []
      const done = { called: yield* Deferred.make<void>(), followed: yield* Deferred.make<void>() }
      const later = ProcessId.make("later")
      yield* Exec.observe({
        onExit: (_, { id }) => {
          called.push(id)
          return id === later ? Deferred.succeed(done.called, void 0) : Effect.void
        }
      })
      yield* Effect.forkScoped(
        Stream.runForEach(exec.events, ([id, { _tag }]) => {
          if (_tag === "Exited") followed.push(id)
          return _tag === "Exited" && id === later ? Deferred.succeed(done.followed, void 0) : Effect.void
        }),
        { startImmediately: true }
      )
      const before = yield* exec.detach(command("cat"), { id: ProcessId.make("before"), stdin: "open" })
      const broken = yield* exec.detach(command("cat"), { stdin: failing })
      assert.strictEqual(reasonOf(yield* Effect.exit(broken.wait())), "StdinFailed")
      yield* before.closeStdin
      yield* before.wait()
      yield* Effect.flatMap(exec.detach(command("hi"), { id: later }), (it) => it.wait())
      yield* Deferred.await(done.called).pipe(Effect.timeout("5 seconds"))
      yield* Deferred.await(done.followed).pipe(Effect.timeout("5 seconds"))
      assert.sameMembers(called, ["before", "later"])
      assert.sameMembers(followed, ["before", "later"])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("C41 no event comes twice to a subscriber that begins while processes start", () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const started = new Map<string, number>()
      const all = yield* Deferred.make<void>()
      const detach = (times: number) =>
        Effect.gen(function* () {
          for (let time = 0; time < times; time++) {
            yield* exec.detach(command("hang"))
            yield* Effect.yieldNow
          }
        })
      yield* detach(50)
      // It lets others go on after every few steps, so that processes start while it begins.
      yield* Stream.runForEach(exec.events, ([id, { _tag }]) => {
        if (_tag === "Started") started.set(id, (started.get(id) ?? 0) + 1)
        return started.size === 100 ? Deferred.succeed(all, void 0) : Effect.void
      }).pipe(Effect.provideService(References.MaxOpsBeforeYield, 5), Effect.forkScoped)
      yield* detach(50)
      yield* Deferred.await(all).pipe(Effect.timeout("10 seconds"))
      // Nothing tells that no more will come.
      yield* Effect.sleep("50 millis")
      const doubled = Array.from(started.values()).filter((times) => times > 1)
      assert.lengthOf(doubled, 0)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("C35 a subscriber that lags behind the retention fails, and is given nothing that comes later", () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const pull = yield* Stream.toPull(exec.events)
      // Runs on: its end is not missing.
      yield* exec.detach(command("hang"))
      const seen: Array<string> = []
      let ends = 0
      const next = Effect.map(pull, (entries) => {
        for (const [id, { _tag }] of entries) {
          seen.push(id)
          if (_tag === "Exited") ends++
        }
      })
      yield* next
      for (let time = 0; time < 20; time++) yield* Effect.flatMap(exec.detach(command("hi")), (it) => it.wait())
      yield* TestClock.adjust("61 minutes")
      assert.lengthOf(yield* exec.list({ exited: true }), 1)
      const later = yield* exec.detach(command("hi"))
      yield* later.wait()
      const failure = yield* Effect.flip(Effect.forever(next, { disableYield: true }))
      if (!ExecError.isExecError(failure) || failure.reason._tag !== "SubscriberLagged") {
        return assert.fail(`it failed with ${String(failure)}`)
      }
      assert.isBelow(ends, 20)
      assert.strictEqual(failure.reason.processes, 20 - ends)
      assert.notInclude(seen, later.id)
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
