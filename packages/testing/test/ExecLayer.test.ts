/** What one puts around an `Exec`: seen through each of the ways to start a command. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecutionPlan from "effect/ExecutionPlan"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Record from "effect/Record"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert, it } from "@effect/vitest"
import { TestClock } from "effect/testing"
import { Command, Exec, ExecError, ExecLayer } from "effect-exec"
import { verbs as byVerb } from "../src/internal/combinators/kit.ts"
import type { Program } from "../src/Program.ts"
import * as TestExec from "../src/TestExec.ts"

type Service = Exec.Exec["Service"]

/** Each of them, to its end, with what it wrote. */
const verbs = Record.map(
  byVerb,
  (verb) => (exec: Service, command: Command.Command) => Effect.map(verb(exec, command), ({ stdout }) => stdout)
)
type VerbName = keyof typeof verbs

const show: Program = (io) =>
  io.stdout(`${io.argv.join(" ")} in ${io.cwd} as ${io.user} with ${io.env["A"]} ${io.env["HOME"]}`)

const layer = TestExec.layer({
  programs: { show, nice: show, hang: () => Effect.never },
  directories: ["/project", "/project/sub", "/other"],
  users: ["root", "nobody"]
})

const each = (
  title: string,
  transformed: Layer.Layer<Exec.Exec>,
  body: (
    verb: (command: Command.Command) => Effect.Effect<string, ExecError.ExecError>
  ) => Effect.Effect<unknown, unknown>
) =>
  it.effect.each(Object.keys(verbs) as Array<VerbName>)(`${title}: %s`, (name) =>
    Effect.flatMap(Exec.Exec, (exec) => body((command) => verbs[name](exec, command))).pipe(Effect.provide(transformed))
  )

each("prefix puts words in front of each command", layer.pipe(ExecLayer.prefix("nice", "-n", "5")), (run) =>
  Effect.map(run(Command.make("show", ["x"])), (said) => assert.match(said, /^nice -n 5 show x in/))
)

each(
  "commandDefaults are where a command says nothing of its own",
  layer.pipe(ExecLayer.commandDefaults({ cwd: "/project", env: { A: "1", HOME: "/h" }, user: "nobody" })),
  (run) =>
    Effect.gen(function* () {
      assert.strictEqual(yield* run(Command.make("show")), "show in /project as nobody with 1 /h")
      const own = { cwd: "sub", env: { A: "2", HOME: undefined }, user: "root" }
      assert.strictEqual(yield* run(Command.make("show", [], own)), "show in /project/sub as root with 2 undefined")
      assert.match(yield* run(Command.make("show", [], { cwd: "/other" })), /in \/other as/)
      assert.match(yield* run(Command.make("show", [], { extendEnv: false })), /with undefined undefined$/)
    })
)

each(
  "the directory of commandDefaults may end with a slash",
  layer.pipe(ExecLayer.commandDefaults({ cwd: "/project/" })),
  (run) =>
    Effect.map(run(Command.make("show", [], { cwd: "sub" })), (said) => assert.match(said, / in \/project\/sub as /))
)

each("allow starts what is on the list, and nothing else", layer.pipe(ExecLayer.allow(["show"])), (run) =>
  Effect.gen(function* () {
    assert.match(yield* run(Command.make("show", [], { env: { A: "1" } })), /^show in/)
    for (const command of [
      Command.make("nice"),
      Command.make("/bin/show"),
      Command.make("show", [], { env: { PATH: "/tmp" } }),
      Command.make("show", [], { env: { LD_PRELOAD: "/tmp/x.so" } })
    ]) {
      const { reason } = yield* Effect.flip(run(command))
      assert.strictEqual(reason._tag, "PermissionDenied")
      assert.isFalse(reason.isRetryable)
    }
  })
)

each("allow asks a function", layer.pipe(ExecLayer.allow(({ argv }) => argv[1] === "yes")), (run) =>
  Effect.gen(function* () {
    yield* run(Command.make("show", ["yes"]))
    assert.strictEqual((yield* Effect.flip(run(Command.make("show", ["no"])))).reason._tag, "PermissionDenied")
  })
)

it.effect("the last in the pipe sees a command first", () =>
  Effect.map(Exec.run(Command.make("show")), ({ stdout }) => assert.match(stdout, /^nice show in/)).pipe(
    Effect.provide(layer.pipe(ExecLayer.prefix("nice"), ExecLayer.allow(["show"])))
  )
)

it.effect("what else the layer gives stays", () =>
  Effect.gen(function* () {
    yield* Exec.run(Command.make("show"))
    assert.deepStrictEqual(
      (yield* TestExec.calls).map(({ argv }) => argv[0]),
      ["nice"]
    )
  }).pipe(Effect.provide(layer.pipe(ExecLayer.prefix("nice"))))
)

const unavailable = ExecError.make(new ExecError.BackendUnavailable({ backend: "test", hint: "Wait." }))
const lost = ExecError.make(new ExecError.ConnectionLost({ started: true }))

/** Fails the first starts, then does what `layer` does; counts all of them. */
const failing = (times: number, error: ExecError.ExecError) => {
  const starts = { count: 0 }
  const refuse = Effect.suspend(() => (starts.count++ < times ? Effect.fail(error) : Effect.void))
  return {
    starts,
    layer: Layer.effect(
      Exec.Exec,
      Effect.map(Exec.Exec, (exec) =>
        Exec.Exec.of({
          ...exec,
          run: (...args) => Effect.andThen(refuse, exec.run(...args)),
          stream: (...args) => Stream.unwrap(Effect.as(refuse, exec.stream(...args))),
          spawn: (...args) => Effect.andThen(refuse, exec.spawn(...args)),
          detach: (...args) => Effect.andThen(refuse, exec.detach(...args)),
          capabilities: Effect.andThen(refuse, exec.capabilities)
        })
      )
    ).pipe(Layer.provide(layer))
  }
}

/** Programs that count themselves, and wait until they are let go. */
const counting = Effect.gen(function* () {
  const gate = yield* Deferred.make<void>()
  const seen = { running: 0, most: 0 }
  const program: Program = () =>
    Effect.andThen(
      Effect.sync(() => void (seen.most = Math.max(seen.most, ++seen.running))),
      Effect.ensuring(
        Deferred.await(gate),
        Effect.sync(() => void seen.running--)
      )
    )
  return { seen, open: Deferred.succeed(gate, undefined), layer: TestExec.layer({ programs: { count: program } }) }
})

it.effect("limit lets so many run at a time, whichever way they are started", () =>
  Effect.gen(function* () {
    const { layer, open, seen } = yield* counting
    yield* Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const all = yield* Effect.forEach(Object.values(verbs), (verb) =>
        Effect.forkChild(
          Effect.all([verb(exec, Command.make("count")), verb(exec, Command.make("count"))], { concurrency: 2 })
        )
      )
      yield* TestClock.adjust("1 second")
      assert.strictEqual(seen.running, 3)
      yield* open
      yield* Effect.forEach(all, Fiber.join)
      assert.strictEqual(seen.most, 3)
      // All turns were given back.
      yield* Effect.forEach([1, 2, 3], () => exec.run(Command.make("count")), { concurrency: 3 })
    }).pipe(Effect.provide(layer.pipe(ExecLayer.limit(3))))
  })
)

it.effect(
  "a turn is given back by an interruption, a failed start and a closed scope; waiting can be interrupted",
  () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const hang = Command.make("hang")
      const first = yield* Effect.forkChild(exec.run(hang))
      const second = yield* Effect.forkChild(exec.run(hang))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      yield* Effect.flip(exec.run(Command.make("nothing")))
      yield* Effect.flip(exec.detach(Command.make("nothing")))
      const scope = yield* Scope.make()
      yield* Scope.provide(exec.spawn(hang), scope)
      const third = yield* Effect.forkChild(exec.run(Command.make("show")))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(third.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      yield* Fiber.join(third)
      const detached = yield* exec.detach(hang)
      const fourth = yield* Effect.forkChild(exec.run(Command.make("show")))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(fourth.pollUnsafe())
      yield* detached.kill({ signal: "SIGKILL" })
      yield* Fiber.join(fourth)
    }).pipe(Effect.provide(layer.pipe(ExecLayer.limit(1))))
)

it.effect("a start that failed in a scope that goes on gives its turn back at once, also to a retry", () =>
  Effect.gen(function* () {
    const exec = yield* Exec.Exec
    yield* Effect.flip(exec.spawn(Command.make("nothing")))
    yield* exec.spawn(Command.make("hang"))
  }).pipe(
    Effect.scoped,
    Effect.andThen(Effect.scoped(Effect.asVoid(Exec.spawn(Command.make("show"))))),
    Effect.provide(failing(1, unavailable).layer.pipe(ExecLayer.limit(1), ExecLayer.retry(Schedule.recurs(3)))),
    Effect.timeoutOption("1 second"),
    Effect.forkChild,
    Effect.tap(() => TestClock.adjust("1 second")),
    Effect.flatMap(Fiber.join),
    Effect.map((ended) => assert.isTrue(Option.isSome(ended)))
  )
)

it.effect.each([0, -1, 1.5, Number.NaN, Infinity])("a limit of %s is InvalidCommand", (processes) =>
  Effect.map(Effect.flip(Exec.run(Command.make("show"))), ({ reason }) =>
    assert.strictEqual(reason._tag, "InvalidCommand")
  ).pipe(Effect.provide(layer.pipe(ExecLayer.limit(processes))))
)

it.effect("retry is not for what a stdin fails with, whatever that says of itself", () =>
  Effect.gen(function* () {
    const { layer, starts } = failing(0, unavailable)
    const broken = { isRetryable: true }
    const error = yield* Exec.run(Command.make("hang"), { stdin: Stream.fail(broken) }).pipe(
      Effect.provide(layer.pipe(ExecLayer.retry())),
      Effect.flip
    )
    assert.strictEqual(error, broken)
    assert.strictEqual(starts.count, 1)
  })
)

it.effect.each(Object.keys(verbs) as Array<VerbName>)("retry tries again what did not start: %s", (name) =>
  Effect.gen(function* () {
    const { layer, starts } = failing(3, unavailable)
    const fiber = yield* Effect.forkChild(
      Effect.flatMap(Exec.Exec, (exec) => verbs[name](exec, Command.make("show"))).pipe(
        Effect.provide(layer.pipe(ExecLayer.retry()))
      )
    )
    yield* TestClock.adjust("10 seconds")
    assert.match(yield* Fiber.join(fiber), /^show/)
    assert.strictEqual(starts.count, 4)
  })
)

it.effect.each(Object.keys(verbs) as Array<VerbName>)("retry never repeats what may have run: %s", (name) =>
  Effect.gen(function* () {
    const { layer, starts } = failing(3, lost)
    const error = yield* Effect.flatMap(Exec.Exec, (exec) => verbs[name](exec, Command.make("show"))).pipe(
      Effect.provide(layer.pipe(ExecLayer.retry())),
      Effect.flip
    )
    assert.strictEqual(error.reason._tag, "ConnectionLost")
    assert.strictEqual(starts.count, 1)
  })
)

it.effect("retry gives up when its schedule does, and the error is the last one", () =>
  Effect.gen(function* () {
    const { layer, starts } = failing(100, unavailable)
    const error = yield* Exec.run(Command.make("show")).pipe(
      Effect.provide(layer.pipe(ExecLayer.retry(Schedule.recurs(2)))),
      Effect.flip
    )
    assert.strictEqual(error, unavailable)
    assert.strictEqual(starts.count, 3)
  })
)

it.effect("retry of a stream gives each event once, with backpressure and an early end", () =>
  Effect.gen(function* () {
    const { layer } = failing(1, unavailable)
    const events = yield* Exec.stream(Command.make("show")).pipe(
      Stream.runCollect,
      Effect.provide(layer.pipe(ExecLayer.retry(Schedule.recurs(1))))
    )
    assert.deepStrictEqual(
      events.map(({ _tag }) => _tag),
      ["Started", "Stdout", "Exited"]
    )
  })
)

it.effect("fallback takes the first that can be reached, and stays there", () =>
  Effect.gen(function* () {
    const down = failing(100, unavailable)
    const up = failing(0, unavailable)
    const spare = failing(0, unavailable)
    yield* Effect.gen(function* () {
      yield* Exec.run(Command.make("show"))
      yield* Exec.run(Command.make("show"))
    }).pipe(Effect.provide(ExecLayer.fallback(down.layer, up.layer, spare.layer)))
    assert.deepStrictEqual([down.starts.count, up.starts.count, spare.starts.count], [1, 3, 0])
  })
)

it.effect("fallback fails as the last one does, and closes what it tried", () =>
  Effect.gen(function* () {
    const open = { count: 0 }
    const tracked = Layer.effectDiscard(
      Effect.acquireRelease(
        Effect.sync(() => void open.count++),
        () => Effect.sync(() => void open.count--)
      )
    )
    const one = Layer.fresh(Layer.merge(failing(100, unavailable).layer, tracked))
    const other = failing(100, lost).layer
    const error = yield* Effect.flip(Effect.scoped(Layer.build(ExecLayer.fallback(one, other))))
    assert.strictEqual(error, lost)
    yield* Effect.gen(function* () {
      yield* Layer.build(ExecLayer.fallback(one, failing(0, lost).layer))
      assert.strictEqual(open.count, 0)
    })
  })
)

it.effect("plan runs an effect on the next one only when nothing of it started", () =>
  Effect.gen(function* () {
    const down = failing(100, unavailable)
    const up = failing(0, unavailable)
    const plan = ExecLayer.plan(down.layer, up.layer)
    assert.isTrue(ExecutionPlan.isExecutionPlan(plan))
    const said = yield* Effect.withExecutionPlan(Exec.run(Command.make("show")), plan)
    assert.match(said.stdout, /^show/)
    assert.deepStrictEqual([down.starts.count, up.starts.count], [1, 1])
    const broken = failing(100, lost)
    const never = failing(0, lost)
    const error = yield* Effect.flip(
      Effect.withExecutionPlan(Exec.run(Command.make("show")), ExecLayer.plan(broken.layer, never.layer))
    )
    assert.strictEqual(error, lost)
    assert.deepStrictEqual([broken.starts.count, never.starts.count], [1, 0])
  })
)
