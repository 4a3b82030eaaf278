/**
 * Ending early: nothing is left behind, whoever lets go.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as Exec from "effect-exec/Exec"
import * as Duration from "effect/Duration"
import { type Chapter, testOf } from "./case.ts"
import { collect, eventually, follow } from "./facts.ts"
import { failsWith, type Kit, marked } from "./kit.ts"

/** Waits until this many processes carry the mark, so that what follows meets a whole tree. */
const started = ({ survivors }: Kit, mark: string, count: number) =>
  eventually(
    `${count} processes have started`,
    Effect.map(survivors(mark), (pids) => pids.length >= count)
  )

const noneLeft = ({ survivors }: Kit, mark: string) =>
  Effect.map(survivors(mark), (pids) => assert.deepStrictEqual(pids, [], "processes that were left behind"))

/** C16: interruption. */
export const interrupting: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C16 interrupting run ends the tree before the interruption completes", (kit) =>
      Effect.gen(function* () {
        const { command, mark } = yield* marked(fixtures.tree("children"))
        const running = yield* Effect.forkScoped(kit.exec.run(command))
        yield* started(kit, mark, 3)
        yield* Fiber.interrupt(running)
        yield* noneLeft(kit, mark)
      })),
    test("C16 what ignores TERM is gone when the interruption completes, soon after the grace", (kit) =>
      Effect.gen(function* () {
        const { command, mark } = yield* marked(fixtures.tree("stubborn"))
        const running = yield* Effect.forkScoped(kit.exec.run(command, { grace: 300 }))
        yield* started(kit, mark, 3)
        const before = yield* Clock.currentTimeMillis
        yield* Fiber.interrupt(running)
        const took = (yield* Clock.currentTimeMillis) - before
        yield* noneLeft(kit, mark)
        assert.isAtLeast(took, 250)
        assert.isBelow(took, 1300)
      })),
    test("C16 Effect.timeout and a lost race end the tree", (kit) =>
      Effect.gen(function* () {
        const first = yield* marked(fixtures.tree("children"))
        const timedOut = yield* Effect.timeoutOption(kit.exec.run(first.command), 500)
        assert.strictEqual(timedOut._tag, "None")
        yield* noneLeft(kit, first.mark)
        const second = yield* marked(fixtures.tree("children"))
        const winner = yield* Effect.race(
          kit.exec.run(second.command),
          Effect.as(started(kit, second.mark, 3), "the other")
        )
        assert.strictEqual(winner, "the other")
        yield* noneLeft(kit, second.mark)
      })),
    test("C16 a run that never got to start is interrupted too", (kit) =>
      Effect.gen(function* () {
        const { command, mark } = yield* marked(fixtures.hang)
        const running = yield* Effect.forkScoped(kit.exec.run(command))
        yield* Fiber.interrupt(running)
        yield* noneLeft(kit, mark)
      })),
    test(
      "C16 after 200 interrupted runs no process is left",
      (kit) =>
        Effect.gen(function* () {
          const { command, mark } = yield* marked(fixtures.tree("background"))
          yield* Effect.forEach(
            Array.from({ length: 200 }, (_, i) => i % 25),
            // At every point of a start, from before the first step to after the whole tree is there.
            (delay) => Effect.timeoutOption(kit.exec.run(command), delay),
            { concurrency: 4, discard: true }
          )
          yield* noneLeft(kit, mark)
        }),
      { timeout: 90_000 }
    )
  ]
}

/** C24: streams and scopes that end early. */
export const ending: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C24 ending a stream early ends the tree", (kit) =>
      Effect.gen(function* () {
        const { command, mark } = yield* marked(fixtures.tree("children"))
        const started = yield* Stream.runCollect(Stream.take(kit.exec.stream(command), 1))
        assert.strictEqual(started[0]?._tag, "Started")
        yield* noneLeft(kit, mark)
      })),
    test("C24 ending a stream that is full ends the tree", (kit) =>
      Effect.gen(function* () {
        const { command, mark } = yield* marked(fixtures.flood())
        yield* Stream.runDrain(Stream.take(kit.exec.stream(command), 3))
        yield* noneLeft(kit, mark)
      })),
    test("C24 an error downstream ends the tree, and stays the error", (kit) =>
      Effect.gen(function* () {
        const { command, mark } = yield* marked(fixtures.tree("children"))
        const error = yield* kit.exec.stream(command).pipe(
          Stream.mapEffect((event) => (event._tag === "Stdout" ? Effect.fail("enough" as const) : Effect.void)),
          Stream.runDrain,
          Effect.flip
        )
        assert.strictEqual(error, "enough")
        yield* noneLeft(kit, mark)
      })),
    test("C24 interrupting a stream ends the tree", (kit) =>
      Effect.gen(function* () {
        const { command, mark } = yield* marked(fixtures.tree("children"))
        const running = yield* Effect.forkScoped(Stream.runDrain(kit.exec.stream(command)))
        yield* started(kit, mark, 3)
        yield* Fiber.interrupt(running)
        yield* noneLeft(kit, mark)
      })),
    test("C24 closing the scope of spawn ends the tree, in its own way where it has one", (kit) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { command, mark } = yield* marked(fixtures.tree("children"))
        const process = yield* Scope.provide(kit.exec.spawn(command), scope)
        const seen = yield* follow(process.events)
        const pids = yield* seen.seesMembers(3)
        yield* Scope.close(scope, Exit.void)
        yield* kit.areDead(pids)
        yield* noneLeft(kit, mark)
        assert.isFalse(yield* process.isRunning)
      })),
    test("C24 closing the scope of spawn while nobody reads ends what floods or ignores TERM", (kit) =>
      Effect.gen(function* () {
        const flood = yield* marked(fixtures.flood())
        yield* Effect.scoped(kit.exec.spawn(flood.command))
        yield* noneLeft(kit, flood.mark)
        const stubborn = yield* marked(fixtures.tree("stubborn"))
        yield* Effect.scoped(
          Effect.andThen(kit.exec.spawn(stubborn.command, { grace: 300 }), started(kit, stubborn.mark, 3))
        )
        yield* noneLeft(kit, stubborn.mark)
      })),
    test("C24 what is read after the scope has closed is never a whole: Closed, for bytes are lost", ({
      exec,
      fixtures
    }) =>
      Effect.gen(function* () {
        // What floods may be ended just when all that it had written was read, above all where it hardly got to write. It
        // is given longer and longer; ten times in a row it is not.
        for (let round = 1; round <= 10; round++) {
          const scope = yield* Scope.make()
          const process = yield* Scope.provide(exec.spawn(fixtures.flood()), scope)
          yield* Stream.runDrain(Stream.take(process.events, 3))
          yield* Effect.sleep(10 * (round - 1))
          yield* Scope.close(scope, Exit.void)
          const read = yield* Effect.exit(collect(process.events))
          yield* process.kill()
          yield* process.kill({ signal: "SIGKILL", grace: 100 })
          if (round === 10 || Exit.isFailure(read)) return yield* Effect.asVoid(failsWith(read, "Closed"))
        }
      })),
    test("C24 ending a view of a detached process ends nothing", (kit) =>
      Effect.gen(function* () {
        const process = yield* kit.exec.detach(fixtures.hang)
        yield* Effect.addFinalizer(() => Effect.ignore(process.kill({ signal: "SIGKILL" })))
        yield* Stream.runDrain(Stream.take(process.events(), 2))
        yield* Stream.runDrain(Stream.take(kit.exec.connect(process.id), 1))
        const reader = yield* Effect.forkScoped(Stream.runDrain(process.events()))
        yield* Effect.sleep(20)
        yield* Fiber.interrupt(reader)
        assert.isTrue(yield* process.isRunning)
        assert.deepStrictEqual(yield* kit.alive([process.pid]), [process.pid])
      })),
    test("C26 without being asked, stream, spawn and detach have no time limit", ({ exec }) =>
      Effect.gen(function* () {
        const streamed = yield* follow(exec.stream(fixtures.hang))
        const spawned = yield* exec.spawn(fixtures.hang)
        const detached = yield* exec.detach(fixtures.hang)
        yield* Effect.addFinalizer(() => Effect.ignore(detached.kill({ signal: "SIGKILL" })))
        yield* streamed.sees("READY\n")
        yield* Effect.sleep(400)
        assert.isTrue(yield* spawned.isRunning)
        assert.isTrue(yield* detached.isRunning)
        assert.isFalse(streamed.events.some(({ _tag }) => _tag === "Exited"))
      }).pipe(Exec.withDefaults({ timeout: Duration.millis(100), maxOutput: 1 }))),
    test("C26 timeout and maxOutput mean in stream, spawn and detach what they mean in run", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const limit = { maxOutput: 10_000 }
        const streamed = yield* follow(exec.stream(fixtures.numbers(100_000), limit))
        assert.strictEqual((yield* streamed.ended).endedBy, "maxOutput")
        assert.strictEqual(streamed.stdoutBytes().length, 10_000)
        const spawned = yield* exec.spawn(fixtures.numbers(100_000), limit)
        const seen = yield* follow(spawned.events)
        assert.strictEqual((yield* seen.ended).endedBy, "maxOutput")
        const detached = yield* exec.detach(fixtures.numbers(100_000), limit)
        const result = yield* detached.wait()
        assert.strictEqual(result.endedBy, "maxOutput")
        assert.isTrue(result.truncated)
        assert.strictEqual(result.stdoutBytes.length, 10_000)

        const brief = { timeout: 500, grace: 300 }
        const slow = yield* follow(exec.stream(fixtures.tree("stubborn"), brief))
        assert.strictEqual((yield* slow.ended).endedBy, "timeout")
        yield* areDead(slow.pids())
        const waiting = yield* exec.detach(fixtures.tree("stubborn"), brief)
        const timedOut = yield* waiting.wait()
        assert.isTrue(timedOut.timedOut)
        yield* areDead(Array.from(timedOut.stdout.matchAll(/PID (\d+)/g), ([, pid]) => Number(pid)))
      })),
    test("C26 env, cwd and lingering mean in spawn and detach what they mean in run", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const command = { ...fixtures.env("EFFECT_EXEC_VALUE"), env: { EFFECT_EXEC_VALUE: "v" } }
        const spawned = yield* follow((yield* exec.spawn(command)).events)
        yield* spawned.ended
        assert.strictEqual(spawned.stdout(), "v")
        const there = yield* follow((yield* exec.spawn({ ...fixtures.pwd, cwd: fixtures.directory })).events)
        yield* there.ended
        assert.strictEqual(there.stdout(), `${fixtures.directory}\n`)
        const detached = yield* exec.detach(command)
        assert.strictEqual((yield* detached.wait()).stdout, "v")
        const family = yield* (yield* exec.detach(fixtures.tree("background", "exits"))).wait()
        assert.match(family.stdout, /hi\n$/)
        yield* areDead(Array.from(family.stdout.matchAll(/PID (\d+)/g), ([, pid]) => Number(pid)))
        const late = yield* follow(exec.stream(fixtures.late, { lingering: "await" }))
        yield* late.ended
        assert.match(late.stdout(), /early\nlate\n$/)
      })),
    test("C24 a process whose stdin is never fed and never read ends with its scope", (kit) =>
      Effect.gen(function* () {
        const gate = yield* Deferred.make<Uint8Array>()
        const { command, mark } = yield* marked(fixtures.hang)
        yield* Effect.scoped(
          Effect.andThen(
            kit.exec.spawn(command, { stdin: Stream.fromEffect(Deferred.await(gate)) }),
            started(kit, mark, 1)
          )
        )
        yield* noneLeft(kit, mark)
      }))
  ].filter(({ title }) => !title.includes("stdin") || target.capabilities.stdin !== "none")
}

/** Last of all: no test of the suite has left anything behind. */
export const nothingLeft =
  (mark: string): Chapter =>
  (target) => [
    testOf(target)("C16 after all these tests no process is left", ({ survivors }) =>
      eventually(
        "no process of the suite is left",
        Effect.map(survivors(mark), (pids) => pids.length === 0)
      )
    )
  ]
