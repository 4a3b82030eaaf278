/** The log of what was run: complete, in order, and never at the cost of memory. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert, it } from "@effect/vitest"
import { TestClock } from "effect/testing"
import { AuditLog, Command, Exec, ExecLayer, ProcessId } from "effect-exec"
import { verbs } from "../src/internal/combinators/kit.ts"
import * as TestExec from "../src/TestExec.ts"

const programs = {
  three: () => Effect.succeed(3),
  hang: () => Effect.never,
  talk: (io: { readonly stdout: (text: string) => Effect.Effect<void> }) => Effect.forever(io.stdout("more "))
}

/** The ids that processes were started with. */
const started: Array<ProcessId.ProcessId | undefined> = []
const noted = TestExec.layer({ programs: { slow: () => Effect.sleep("5 seconds") } }).pipe(
  ExecLayer.transform((exec) => {
    const note = <Start extends (...args: ReadonlyArray<never>) => unknown>(start: Start): Start =>
      ((...args: ReadonlyArray<never>) => {
        const [, options] = args as ReadonlyArray<unknown> as readonly [Command.Command, { id?: ProcessId.ProcessId }?]
        started.push(options?.id)
        return start(...args)
      }) as unknown as Start
    return Effect.succeed(
      Exec.Exec.of({
        ...exec,
        run: note(exec.run),
        stream: note(exec.stream),
        spawn: note(exec.spawn),
        detach: note(exec.detach)
      })
    )
  })
)

const layer = TestExec.layer({ programs }).pipe(AuditLog.audit())

const read = (count: number) => AuditLog.AuditLog.use(({ entries }) => Stream.runCollect(Stream.take(entries, count)))

const line = (entry: AuditLog.Entry): string =>
  entry._tag === "Requested"
    ? `${entry.verb} ${entry.command.argv.join(" ")}`
    : entry.end._tag === "Exited"
      ? `exit ${entry.end.code}`
      : entry.end._tag

it.effect("each command is in it twice: when it is asked for, and how it ended", () =>
  Effect.gen(function* () {
    const exec = yield* Exec.Exec
    yield* exec.run(Command.make("three", ["run"]))
    yield* Stream.runDrain(exec.stream(Command.make("three", ["stream"])))
    yield* Effect.scoped(Effect.flatMap(exec.spawn(Command.make("three", ["spawn"])), (process) => process.wait))
    yield* Effect.flatMap(exec.detach(Command.make("three", ["detach"])), (process) => process.wait())
    const entries = yield* read(8)
    assert.deepStrictEqual(entries.map(line), [
      "run three run",
      "exit 3",
      "stream three stream",
      "exit 3",
      "spawn three spawn",
      "exit 3",
      "detach three detach",
      "exit 3"
    ])
    for (let i = 0; i < entries.length; i += 2) assert.strictEqual(entries[i]!.id, entries[i + 1]!.id)
    assert.strictEqual(new Set(entries.map(({ id }) => id)).size, 4)
  }).pipe(Effect.provide(layer))
)

it.effect("a start that failed, an interruption, a closed scope and an early end are ends", () =>
  Effect.gen(function* () {
    const exec = yield* Exec.Exec
    yield* Effect.flip(exec.run(Command.make("nothing")))
    const fiber = yield* Effect.forkChild(exec.run(Command.make("hang")))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(fiber)
    yield* Effect.scoped(exec.spawn(Command.make("hang")))
    yield* Stream.runDrain(Stream.take(exec.stream(Command.make("talk")), 2))
    const entries = yield* read(8)
    assert.deepStrictEqual(entries.filter(({ _tag }) => _tag === "Ended").map(line), [
      "Failed",
      "Interrupted",
      "Signaled",
      "Interrupted"
    ])
  }).pipe(Effect.provide(layer))
)

it.effect("the id in it is that of the process, a given one too; the duration is how long that took", () =>
  Effect.gen(function* () {
    const exec = yield* Exec.Exec
    for (const verb of Object.values(verbs)) {
      for (const given of [undefined, yield* ProcessId.random]) {
        const running = yield* Effect.forkChild(verb(exec, Command.make("slow"), { id: given }))
        yield* TestClock.adjust("5 seconds")
        yield* Fiber.join(running)
        const [requested, ended] = yield* read(2)
        assert.strictEqual(requested!.id, started.at(-1))
        assert.strictEqual(requested!.id, given ?? requested!.id)
        assert.strictEqual(ended?._tag === "Ended" ? Duration.toMillis(ended.duration) : undefined, 5000)
      }
    }
  }).pipe(Effect.provide(noted.pipe(AuditLog.audit())))
)

it.effect("a start that failed has ended at once, not with the scope that it was tried in", () =>
  Effect.gen(function* () {
    yield* Effect.flip(Exec.spawn(Command.make("nothing")))
    assert.deepStrictEqual((yield* read(2)).map(line), ["spawn nothing", "Failed"])
  }).pipe(Effect.scoped, Effect.provide(layer))
)

it.effect("it has arguments, and no environment", () =>
  Effect.gen(function* () {
    yield* Exec.run(Command.make("three", ["a"], { env: { SECRET: Redacted.make("hush"), PLAIN: "loud" } }))
    const said = JSON.stringify(yield* read(2))
    assert.include(said, '"three","a"')
    assert.notMatch(said, /hush|loud|SECRET/)
  }).pipe(Effect.provide(layer))
)

it.effect("a log that nobody reads makes commands wait, and loses nothing", () =>
  Effect.gen(function* () {
    const running = yield* Effect.forkChild(
      Effect.forEach([1, 2, 3, 4, 5], (index) => Exec.run(Command.make("three", [String(index)])))
    )
    yield* TestClock.adjust("1 second")
    assert.isUndefined(running.pollUnsafe())
    const [first] = yield* read(1)
    assert.strictEqual(first && line(first), "run three 1")
    yield* TestClock.adjust("1 second")
    // Each command takes the room of two.
    assert.isUndefined(running.pollUnsafe())
    const rest = yield* read(9)
    yield* Fiber.join(running)
    assert.deepStrictEqual(rest.filter(({ _tag }) => _tag === "Requested").map(line), [
      "run three 2",
      "run three 3",
      "run three 4",
      "run three 5"
    ])
  }).pipe(Effect.provide(TestExec.layer({ programs }).pipe(AuditLog.audit({ capacity: 2 }))))
)

it.effect("who waits for room can be interrupted, and is not in the log", () =>
  Effect.gen(function* () {
    yield* Exec.run(Command.make("three", ["1"]))
    const waiting = yield* Effect.forkChild(Exec.run(Command.make("three", ["2"])))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(waiting)
    yield* read(2)
    yield* Exec.run(Command.make("three", ["3"]))
    assert.deepStrictEqual((yield* read(2)).map(line), ["run three 3", "exit 3"])
  }).pipe(Effect.provide(TestExec.layer({ programs }).pipe(AuditLog.audit({ capacity: 1 }))))
)

it.effect("it ends with the layer, after the ends of all commands", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    yield* Exec.detach(Command.make("hang")).pipe(Effect.provideContext(context))
    const { entries } = yield* Effect.provideContext(AuditLog.AuditLog, context)
    const reading = yield* Effect.forkChild(Stream.runCollect(entries))
    yield* TestClock.adjust("1 second")
    yield* Scope.close(scope, Exit.void)
    assert.deepStrictEqual((yield* Fiber.join(reading)).map(line), ["detach hang", "Interrupted"])
  })
)

it.effect("closing the layer does not wait for one detached process after the other", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Layer.buildWithScope(layer, scope)
    yield* Effect.forEach(Array.from({ length: 20 }), () => Exec.detach(Command.make("hang"))).pipe(
      Effect.provideContext(context)
    )
    const before = performance.now()
    yield* Scope.close(scope, Exit.void)
    assert.isBelow(performance.now() - before, 2000)
  })
)

it.effect("what other layers refuse above it is not asked for; what they change is logged as it is started", () =>
  Effect.gen(function* () {
    yield* Effect.flip(Exec.run(Command.make("hang")))
    yield* Exec.run(Command.make("three"))
    assert.deepStrictEqual((yield* read(2)).map(line), ["run three", "exit 3"])
  }).pipe(Effect.provide(layer.pipe(ExecLayer.allow(["three"]))))
)
