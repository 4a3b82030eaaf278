/**
 * How a process ends, and what is known of it then: what survives it, who ended it, what cannot be killed.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Metric, Option, Scope, Stream, Tracer } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { type Backend, Command, Exec, ExecError, type ExecEvent, ExecResult, ExitStatus } from "effect-exec"
import { type Program, TestExec } from "@effect-exec/testing"

type Running = Backend.Running

const chatter: Program.Program = (io) => Effect.forever(Effect.andThen(io.stdout("x"), Effect.sleep("50 millis")))

const say = (io: Program.ProcessIO, text: string) => io.stdout(text)

const programs = {
  hang: () => Effect.never,
  hi: (io) => say(io, "hi\n"),
  chattyEscape: (io) => Effect.andThen(io.fork(chatter, { escape: true }), say(io, "hi\n")),
  chattyChild: (io) => Effect.andThen(io.fork(chatter), say(io, "hi\n")),
  silentEscape: (io) =>
    io
      .fork(() => Effect.never, { escape: true })
      .pipe(Effect.andThen(say(io, "hi\n")), Effect.andThen(Effect.sleep("100 millis"))),
  survivor: (io) =>
    Effect.forEach(["SIGHUP", "SIGUSR1"] as const, (signal) => io.on(signal, "ignore")).pipe(
      Effect.andThen(say(io, "ready\n")),
      Effect.andThen(Effect.never)
    ),
  lastWords: (io) =>
    io
      .on("SIGTERM", Effect.andThen(say(io, "bye\n"), io.exit(7)))
      .pipe(Effect.andThen(say(io, "ready\n")), Effect.andThen(Effect.never)),
  thousand: (io) => Effect.andThen(io.stdout(new Uint8Array(1000)), Effect.never)
} satisfies Record<string, Program.Program>

const command = (name: keyof typeof programs) => Command.make(name)

const layer = Layer.suspend(() => TestExec.layer({ programs }))

/** A layer on which every process is changed. */
const layerOf = (change: (running: Running) => Running) =>
  Layer.effect(
    Exec.Exec,
    Effect.flatMap(TestExec.backend(TestExec.sandbox({ programs })), (backend) =>
      Exec.make({ ...backend, spawn: (request) => Effect.map(backend.spawn(request), change) })
    )
  )

/** Lets this much time pass in small steps, so that whoever writes every 50 ms does. */
const pass = (millis: number) => Effect.repeat(TestClock.adjust("10 millis"), { times: millis / 10 - 1 })

/** What has ended by now: not one that would only after more time. */
const endedBy = <A, E>(fiber: Fiber.Fiber<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    assert.isDefined(fiber.pollUnsafe(), "it has not ended yet")
    return Fiber.join(fiber)
  })

const reasonOf = <A>(exit: Exit.Exit<A, unknown>): string => {
  const error = Option.getOrUndefined(Exit.findErrorOption(exit))
  return ExecError.isExecError(error) ? error.reason._tag : `no failure: ${exit._tag}`
}

/** Follows a process in a fiber of its own, and waits until it has begun to write. */
const follow = <E>(events: Stream.Stream<ExecEvent.ExecEvent, E>) =>
  Effect.gen(function* () {
    const began = yield* Deferred.make<void>()
    const seen: Array<ExecEvent.ExecEvent> = []
    const fiber = yield* Effect.forkDetach(
      Stream.runForEach(events, (event) => {
        seen.push(event)
        return event._tag === "Stdout" ? Deferred.succeed(began, void 0) : Effect.void
      })
    )
    yield* Deferred.await(began)
    // Until it waits for more.
    yield* TestClock.adjust(0)
    return { seen, fiber }
  })

describe("what survives a process and goes on writing", () => {
  it.effect("C12 C15 the timeout of run ends the waiting for it", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(command("chattyEscape"), { timeout: "3 seconds" }))
      yield* pass(2900)
      assert.isUndefined(running.pollUnsafe())
      yield* pass(200)
      const result = yield* endedBy(running)
      assert.isTrue(result.incomplete)
      assert.match(result.stdout, /^x?hi\nx{50,}$/)
      assert.deepStrictEqual(result.status, ExitStatus.exited(0))
      assert.strictEqual(result.endedBy, "self")
    }).pipe(Effect.provide(layer))
  )

  it.effect("C13 C15 the output cap of run ends the waiting for it at once", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(command("chattyEscape"), { maxOutput: 10 }))
      yield* pass(600)
      const result = yield* endedBy(running)
      assert.isTrue(result.incomplete)
      assert.isTrue(result.truncated)
      assert.strictEqual(result.stdoutBytes.length, 10)
      assert.deepStrictEqual(result.status, ExitStatus.exited(0))
    }).pipe(Effect.provide(layer))
  )

  it.effect("C15 where it was left on purpose, run ends within about a second", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(command("chattyChild"), { lingering: "leave" }))
      yield* pass(1100)
      const result = yield* endedBy(running)
      assert.isFalse(result.incomplete)
      assert.isFalse(result.timedOut)
      assert.include(result.stdout, "hi\n")
    }).pipe(Effect.provide(layer))
  )

  it.effect("C15 a consumer that polls is one that is pulling: a silent holder of the pipe does not keep it", () =>
    Effect.gen(function* () {
      const process = yield* Exec.spawn(command("silentEscape"))
      const pull = yield* Stream.toPull(process.events)
      yield* pull
      const poll: Effect.Effect<ExecEvent.ExecEvent> = Effect.matchEffect(Effect.timeout(pull, "33 millis"), {
        onSuccess: ([event]) => (event._tag === "Exited" ? Effect.succeed<ExecEvent.ExecEvent>(event) : poll),
        onFailure: () => poll
      })
      const polling = yield* Effect.forkChild(poll)
      yield* pass(2000)
      const exited = yield* endedBy(polling)
      assert.include(exited, { _tag: "Exited", incomplete: true })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

describe("what cannot be killed", () => {
  // KILL has no effect, and the pipe stays open.
  const unkillable = layerOf((running) => ({
    ...running,
    signal: (signal) => (signal === "SIGKILL" ? Effect.never : Effect.void),
    exited: Effect.never,
    treeEmpty: Effect.never
  }))
  const deadline = Exec.withDefaults({ killDeadline: "1 second" })
  const leftovers = Effect.map(
    Metric.value(Metric.counter("exec_leftovers_total", { incremental: true })),
    ({ count }) => count
  )
  const counted = Effect.provideService(Metric.MetricRegistry, new Map())

  it.effect("C16 run fails with KillFailed after timeout, grace and deadline, and counts it once", () =>
    Effect.gen(function* () {
      const options = { timeout: "1 second", grace: "1 second" } as const
      const running = yield* Effect.forkChild(Effect.exit(Exec.run(command("hang"), options)))
      yield* TestClock.adjust("2900 millis")
      assert.isUndefined(running.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(reasonOf(yield* endedBy(running)), "KillFailed")
      assert.strictEqual(yield* leftovers, 1)
    }).pipe(deadline, Effect.provide(unkillable), Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  const paused = ExecError.make(new ExecError.SandboxNotRunning({ sandbox: "box", state: "paused" }))
  const stopped = layerOf((running) => ({
    ...running,
    signal: (signal) => (signal === "SIGKILL" ? Effect.fail(paused) : Effect.void),
    exited: Effect.never,
    treeEmpty: Effect.never
  }))

  it.effect("C62 what cannot be ended because its sandbox is paused fails with that reason", () =>
    Effect.gen(function* () {
      const options = { timeout: "1 second", grace: "1 second" } as const
      const running = yield* Effect.forkChild(Effect.exit(Exec.run(command("hang"), options)))
      yield* TestClock.adjust("2100 millis")
      assert.strictEqual(reasonOf(yield* endedBy(running)), "SandboxNotRunning")
      assert.strictEqual(yield* leftovers, 1)
    }).pipe(Effect.provide(stopped), Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("C16 killing it again and closing its scope counts it once", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const process = yield* Scope.provide(Exec.spawn(command("hang")), scope)
      for (let time = 0; time < 2; time++) {
        const killing = yield* Effect.forkChild(Effect.exit(process.kill({ grace: "1 second" })))
        yield* TestClock.adjust("2100 millis")
        const exit = yield* endedBy(killing)
        if (time === 0) assert.strictEqual(reasonOf(exit), "KillFailed")
      }
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("6 seconds")
      yield* endedBy(closing)
      assert.strictEqual(yield* leftovers, 1)
    }).pipe(deadline, Effect.provide(unkillable), counted)
  )

  it.effect("C16 a first signal that never returns is bounded by the grace", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(command("hang"), { grace: "1 second" }))
      yield* TestClock.adjust(0)
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(running))
      yield* TestClock.adjust("900 millis")
      assert.isUndefined(interrupting.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      yield* endedBy(interrupting)
      assert.isDefined(running.pollUnsafe())
    }).pipe(
      Effect.provide(
        layerOf((running) => ({
          ...running,
          signal: (signal, scope) => (signal === "SIGTERM" ? Effect.never : running.signal(signal, scope))
        }))
      )
    )
  )
})

describe("who ended it", () => {
  it.effect("C12 C20 by itself, where the timeout passed only while nobody was reading any more", () =>
    Effect.gen(function* () {
      const late = Exec.stream(command("hi"), { timeout: "300 millis" }).pipe(
        Stream.tap((event) => (event._tag === "Started" ? Effect.sleep("1 second") : Effect.void)),
        Stream.run(ExecResult.collect)
      )
      const reading = yield* Effect.forkChild(late)
      yield* TestClock.adjust("2 seconds")
      const result = yield* endedBy(reading)
      assert.include(result, { endedBy: "self", timedOut: false, ok: true, incomplete: false, stdout: "hi\n" })
    }).pipe(Effect.provide(layer))
  )

  it.effect("C12 C20 the timeout, where a signal before it was survived", () =>
    Effect.gen(function* () {
      const process = yield* Exec.spawn(command("survivor"), { timeout: "1 second" })
      const { fiber, seen } = yield* follow(process.events)
      yield* process.kill({ signal: "SIGHUP" })
      yield* TestClock.adjust("2 seconds")
      yield* endedBy(fiber)
      assert.include(seen.at(-1), { _tag: "Exited", endedBy: "timeout" })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("C20 C42 a signal, where a kill with a grace had to escalate", () =>
    Effect.gen(function* () {
      const process = yield* Exec.spawn(command("survivor"))
      const { fiber, seen } = yield* follow(process.events)
      const killing = yield* Effect.forkChild(process.kill({ signal: "SIGUSR1", grace: "1 second" }))
      yield* TestClock.adjust("900 millis")
      assert.isUndefined(killing.pollUnsafe())
      yield* TestClock.adjust("200 millis")
      yield* endedBy(killing)
      yield* Fiber.join(fiber)
      assert.deepInclude(seen.at(-1), {
        _tag: "Exited",
        endedBy: "signal",
        status: ExitStatus.signaled("SIGKILL")
      })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("C20 a signal, where its scope closed, or its layer", () =>
    Effect.gen(function* () {
      const [fiber, seen, detached] = yield* Effect.gen(function* () {
        const { fiber, seen } = yield* Effect.scoped(
          Effect.flatMap(Exec.spawn(command("lastWords")), (process) => follow(process.events))
        )
        const detached = yield* Exec.detach(command("hang"))
        yield* TestClock.adjust(0)
        return [fiber, seen, detached] as const
      }).pipe(Effect.provide(layer))
      yield* Fiber.join(fiber)
      assert.include(seen.at(-1), { _tag: "Exited", endedBy: "signal" })
      assert.strictEqual((yield* detached.wait()).endedBy, "signal")
    })
  )
})

describe("a scope of spawn that closes", () => {
  it.effect("C24 lets somebody who is reading come to the end, last words included", () =>
    Effect.gen(function* () {
      const { fiber, seen } = yield* Effect.scoped(
        Effect.flatMap(Exec.spawn(command("lastWords")), (process) => follow(process.events))
      )
      yield* Fiber.join(fiber)
      const said = seen.flatMap((event) => (event._tag === "Stdout" ? [new TextDecoder().decode(event.bytes)] : []))
      assert.strictEqual(said.join(""), "ready\nbye\n")
      assert.deepInclude(seen.at(-1), { _tag: "Exited", status: ExitStatus.exited(7), incomplete: false })
    }).pipe(Effect.provide(layer))
  )

  it.effect("C24 is Closed for who reads on later, where bytes were unread: nothing is lost in silence", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const process = yield* Scope.provide(Exec.spawn(command("lastWords")), scope)
      assert.strictEqual((yield* Effect.flatMap(Stream.toPull(process.events), (pull) => pull))[0]._tag, "Started")
      yield* TestClock.adjust(0)
      yield* Scope.close(scope, Exit.void)
      const seen: Array<string> = []
      const reading = yield* Effect.forkChild(
        Effect.exit(Stream.runForEach(process.events, ({ _tag }) => Effect.sync(() => seen.push(_tag))))
      )
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(reasonOf(yield* endedBy(reading)), "Closed")
      assert.deepStrictEqual(seen, [])
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})

describe("what is refused before anything starts", () => {
  const refused = {
    "a duration that holds NaN": [command("hi"), { timeout: { seconds: Number.NaN } }],
    "a grace that holds NaN": [command("hi"), { grace: { minutes: 1, seconds: Number.NaN } }],
    "a number as stdin": [command("hi"), { stdin: 5 as never }],
    "an object as stdin": [command("hi"), { stdin: {} as never }],
    "half a surrogate pair in an argument": [Command.make("hi", ["a\ud800"]), {}],
    "half a surrogate pair in the environment": [Command.make("hi", [], { env: { NAME: "\udc00" } }), {}]
  } as const

  for (const [what, [given, options]] of Object.entries(refused)) {
    it.effect(`C7 ${what}`, () => {
      let started = 0
      const machine = TestExec.layer({ programs: { hi: () => Effect.sync(() => void started++) } })
      return Effect.gen(function* () {
        const exec = yield* Exec.Exec
        const { stdin, ...rest } = { stdin: undefined, ...options }
        const all = { ...rest, ...(stdin === undefined ? {} : { stdin }) }
        for (const use of [
          exec.run(given, all),
          Stream.runDrain(exec.stream(given, all)),
          Effect.scoped(exec.spawn(given, all)),
          exec.detach(given, all)
        ]) {
          const exit = yield* Effect.exit(use as Effect.Effect<unknown, unknown>)
          assert.strictEqual(reasonOf(exit), "InvalidCommand")
        }
        yield* TestClock.adjust(0)
        assert.strictEqual(started, 0)
      }).pipe(Effect.provide(machine))
    })
  }
})

describe("what is measured", () => {
  it.effect("C64 the bytes that a stream had read when it ended early", () =>
    Effect.gen(function* () {
      const bytes = Metric.value(Metric.counter("exec_output_bytes_total", { incremental: true }))
      yield* Exec.stream(command("thousand")).pipe(
        Stream.takeUntil(({ _tag }) => _tag === "Stdout"),
        Stream.runDrain
      )
      assert.strictEqual((yield* bytes).count, 1000)
      yield* Exec.run(command("hi"))
      assert.strictEqual((yield* bytes).count, 1003)
    }).pipe(Effect.provide(layer), Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("C64 the span of kill tells the program and the pid; that of a caller of spawn is left alone", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const exec = yield* Exec.Exec
      const process = yield* exec.detach(command("hang"))
      yield* Effect.gen(function* () {
        yield* exec.kill(process.id)
        yield* Effect.withSpan(Effect.scoped(exec.spawn(command("hi"))), "caller")
      }).pipe(Effect.withTracer(tracer))
      const attributes = (name: string) => Object.fromEntries(spans.find((span) => span.name === name)!.attributes)
      assert.include(attributes("Exec.kill"), {
        "process.executable.name": "hang",
        "process.pid": process.pid,
        "exec.backend": "test"
      })
      assert.deepStrictEqual(attributes("caller"), {})
    }).pipe(Effect.provide(layer))
  )
})
