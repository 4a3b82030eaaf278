/**
 * When a run ends: by its time limit, or although something still lingers.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { ExecEvent } from "effect-exec/ExecEvent"
import { encode } from "../web.ts"
import { type Chapter, testOf, when } from "./case.ts"
import { collect, eventually, follow, outputOf } from "./facts.ts"

const MiB = 1024 * 1024

/** C12: time limits. */
export const timeouts: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  const quick = { timeout: 400, grace: 300 }
  return [
    test("C12 the default is 30 s, visible and changeable in one place", ({ exec }) =>
      Effect.gen(function* () {
        const defaults = yield* Exec.Defaults
        assert.strictEqual(Duration.toMillis(defaults.timeout), 30_000)
        assert.strictEqual(Duration.toMillis(defaults.grace), 2000)
        assert.strictEqual(Duration.toMillis(defaults.killDeadline), 5000)
        assert.strictEqual(defaults.maxOutput, 10 * MiB)
        assert.strictEqual(defaults.ring, MiB)
        const result = yield* exec.run(fixtures.hang).pipe(Exec.withDefaults({ timeout: Duration.millis(400) }))
        assert.isTrue(result.timedOut)
      })),
    test("C12 when it passes, the tree gets TERM and may end in its own way; the output so far is kept", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.graceful(7), { timeout: 1000, grace: "10 seconds" })
        assert.strictEqual(result.stdout, "READY\nTERM\n")
        assert.deepStrictEqual(result.status, { _tag: "Exited", code: 7 })
        assert.isTrue(result.timedOut)
        assert.strictEqual(result.endedBy, "timeout")
        const zero = yield* exec.run(fixtures.graceful(0), { timeout: 1000, grace: "10 seconds" })
        assert.strictEqual(zero.exitCode, 0)
        assert.isFalse(zero.ok, "a timeout is not ok, whatever the exit code")
      })),
    test("C12 what ignores TERM is dead within the grace and 1 s", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const asked = yield* Clock.currentTimeMillis
        const process = yield* exec.spawn(fixtures.ignoreTerm, quick)
        const started = yield* Clock.currentTimeMillis
        const seen = yield* follow(process.events)
        const exited = yield* seen.ended
        const ended = yield* Clock.currentTimeMillis
        assert.strictEqual(seen.stdout(), "READY\n")
        assert.strictEqual(exited.endedBy, "timeout")
        if (target.capabilities.exit === "exact")
          assert.deepStrictEqual(exited.status, { _tag: "Signaled", signal: "SIGKILL" })
        // It began somewhere between the call and its answer.
        assert.isAtLeast(ended - asked, quick.timeout + quick.grace - 50)
        assert.isBelow(ended - started, quick.timeout + quick.grace + 1000)
        yield* areDead([process.pid])
      })),
    test("C12 a timeout ends the whole tree, and what of it ignores TERM", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.tree("stubborn"), { timeout: 1000, grace: 300 })
        assert.isTrue(result.timedOut)
        assert.isFalse(result.incomplete)
        const pids = Array.from(result.stdout.matchAll(/PID (\d+)/g), ([, pid]) => Number(pid))
        assert.strictEqual(pids.length, 3)
        yield* areDead(pids)
      })),
    test("C12 a timeout works while nobody reads: the tree dies, then the rest comes, then the end", ({
      exec,
      areSoonDead
    }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.flood(), { timeout: 500, grace: 300 })
        yield* process.events.pipe(Stream.take(2), Stream.runDrain)
        yield* areSoonDead([process.pid])
        const rest = yield* collect(process.events)
        const last = rest.at(-1)
        assert.strictEqual(last?._tag === "Exited" && last.endedBy, "timeout")
        const bytes = outputOf(rest, "Stdout")
        assert.isAbove(bytes.length, 0)
      })),
    test("C12 Duration.infinity disables it", ({ exec }) =>
      Effect.gen(function* () {
        const stdin = Stream.fromEffect(Effect.delay(Effect.succeed(encode("late")), 600))
        const result = yield* exec
          .run(fixtures.cat, { stdin, timeout: Duration.infinity })
          .pipe(Exec.withDefaults({ timeout: Duration.millis(100) }))
        assert.isTrue(result.ok)
        assert.strictEqual(result.stdout, "late")
      }))
  ].filter(({ title }) => !title.includes("infinity") || target.capabilities.stdin !== "none")
}

/** C15: the exit is not the end of the file. */
export const lingering: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures, capabilities } = target
  const escaping =
    capabilities.tree === "group+descent"
      ? "orphan"
      : capabilities.tree === "group"
        ? "session"
        : fixtures.escapes
          ? "escaped"
          : undefined
  const pidsOf = (text: string) => Array.from(text.matchAll(/PID (\d+)/g), ([, pid]) => Number(pid))
  return [
    test("C15 run returns at the exit, though a child holds the output; the child is killed", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const started = yield* Clock.currentTimeMillis
        const result = yield* exec.run(fixtures.tree("background", "exits"))
        const took = (yield* Clock.currentTimeMillis) - started
        assert.match(result.stdout, /^(PID \d+\n){2}hi\n$/)
        assert.isTrue(result.ok)
        assert.isFalse(result.incomplete)
        assert.strictEqual(result.endedBy, "self")
        assert.isBelow(took, 1000)
        yield* areDead(pidsOf(result.stdout))
      })),
    test("C15 lingering kill, the default, does not wait for what children would still write", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.late)
        assert.match(result.stdout, /^PID \d+\nearly\n$/)
        // Nobody was left to hold the output: a child that was not killed would have.
        assert.isFalse(result.incomplete)
        yield* areDead(pidsOf(result.stdout))
      })),
    test("C15 lingering drain reads what children write after the exit", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.late, { lingering: "drain" })
        assert.match(result.stdout, /^PID \d+\nearly\nlate\n$/)
        assert.deepStrictEqual(result.status, { _tag: "Exited", code: 0 })
        assert.strictEqual(result.endedBy, "self")
        assert.isFalse(result.incomplete)
      })),
    test("C15 lingering drain lets children live, with their output open, until the scope closes", ({
      exec,
      alive,
      areDead
    }) =>
      Effect.gen(function* () {
        const pids = yield* Effect.scoped(
          Effect.gen(function* () {
            const process = yield* exec.spawn(fixtures.tree("background", "exits"), { lingering: "drain" })
            const seen = yield* follow(process.events)
            assert.deepStrictEqual(yield* process.wait, { _tag: "Exited", code: 0 })
            yield* seen.sees("hi\n")
            assert.isFalse(yield* process.isRunning)
            const children = seen.pids().filter((pid) => pid !== process.pid)
            assert.deepStrictEqual(yield* alive(children), children)
            assert.isFalse(seen.events.some(({ _tag }) => _tag === "Exited"))
            return seen.pids()
          })
        )
        yield* areDead(pids)
      })),
    ...when(fixtures.shell, () => [
      test("C15 lingering drain does not wait for children that hold no output, and ends them too", ({
        exec,
        areDead
      }) =>
        Effect.gen(function* () {
          const result = yield* exec.run(Command.shell("sleep 300 >/dev/null 2>&1 & echo $!"), { lingering: "drain" })
          assert.strictEqual(result.endedBy, "self")
          assert.isFalse(result.incomplete)
          yield* areDead([Number(result.stdout)])
        }))
    ]),
    test("C15 lingering drain is ended by the timeout, its tree too", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.tree("background", "exits"), {
          lingering: "drain",
          timeout: 700,
          grace: 300
        })
        assert.isTrue(result.timedOut)
        yield* areDead(pidsOf(result.stdout))
      })),
    test("C15 lingering await waits for the tree and reads all of it", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.late, { lingering: "await" })
        assert.match(result.stdout, /^PID \d+\nearly\nlate\n$/)
        assert.isTrue(result.ok)
        assert.isFalse(result.incomplete)
      })),
    test("C15 lingering await is ended by the timeout, its tree too", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.tree("background", "exits"), {
          lingering: "await",
          timeout: 700,
          grace: 300
        })
        assert.isTrue(result.timedOut)
        yield* areDead(pidsOf(result.stdout))
      })),
    test("C15 lingering leave lets it live, with its output closed", ({ exec, alive, cleanUp }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.tree("background", "exits"), { lingering: "leave" })
        const pids = pidsOf(result.stdout)
        yield* Effect.addFinalizer(() => Effect.ignore(cleanUp(pids)))
        assert.match(result.stdout, /hi\n$/)
        assert.isTrue(result.ok)
        assert.deepStrictEqual(
          yield* alive(pids),
          pids.filter((pid) => pid !== result.pid)
        )
      })),
    ...(escaping === undefined
      ? []
      : [
          test("C15 what escaped and holds the output ends the drain, and the end says incomplete", ({
            exec,
            cleanUp
          }) =>
            Effect.gen(function* () {
              const process = yield* exec.spawn(fixtures.tree(escaping, "exits"))
              const seen = yield* follow(process.events)
              yield* Effect.addFinalizer(() => Effect.ignore(Effect.suspend(() => cleanUp(seen.pids()))))
              yield* seen.sees("hi\n")
              const exit = yield* seen.ended
              assert.isTrue(exit.incomplete)
              assert.deepStrictEqual(exit.status, { _tag: "Exited", code: 0 })
              // Who announces itself when is between the members.
              assert.match(seen.stdout().split("\n").toSorted().join(), /^,PID \d+,PID \d+,hi$/)
            }))
        ]),
    test("C15 outputs that are closed early are not the exit", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.closeOutput(5), { stdin: "open" })
        const events: Array<ExecEvent> = []
        yield* process.events.pipe(
          Stream.runForEach((event) => Effect.sync(() => events.push(event))),
          Effect.forkScoped
        )
        yield* eventually(
          "READY",
          Effect.sync(() => outputOf(events, "Stdout").length === 6)
        )
        assert.isTrue(yield* process.isRunning)
        yield* Effect.sleep(300)
        assert.isFalse(events.some(({ _tag }) => _tag === "Exited"))
        yield* process.closeStdin
        assert.deepStrictEqual(yield* process.wait, { _tag: "Exited", code: 5 })
        yield* eventually(
          "Exited",
          Effect.sync(() => events.at(-1)?._tag === "Exited")
        )
      }))
  ].filter(({ title }) => !title.includes("closed early") || capabilities.stdin !== "none")
}
