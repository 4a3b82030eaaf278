/**
 * Detached processes: their handle, and how they are found again.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Context from "effect/Context"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { ExecEvent } from "effect-exec/ExecEvent"
import * as ProcessId from "effect-exec/ProcessId"
import { encode } from "../web.ts"
import { type Chapter, testOf, when } from "./case.ts"
import { collect, eventually, follow, numberLines, outputOf, sameBytes } from "./facts.ts"
import { failsWith, owned } from "./kit.ts"

/** C30, C31, C35: the handle. */
export const handles: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures, capabilities, sibling } = target
  return [
    test("C30 detach gives a handle at once", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* owned(exec.detach(fixtures.hang))
        assert.isTrue(ProcessId.isProcessId(process.id))
        assert.isAbove(process.pid, 0)
        assert.match(process.tag, /^exec-[0-9a-f]{8}$/)
        assert.deepStrictEqual(process.command, fixtures.hang)
        assert.isTrue(yield* process.isRunning)
        const named = yield* owned(exec.detach(fixtures.hang, { tag: "C30 a tag of my own" }))
        assert.strictEqual(named.tag, "C30 a tag of my own")
        assert.notStrictEqual(named.id, process.id)
      })),
    test("C30 a tag is unique among running processes, and free again after the exit", ({ exec }) =>
      Effect.gen(function* () {
        const tag = "C30-unique"
        const first = yield* owned(exec.detach(fixtures.hang, { tag }))
        assert.strictEqual((yield* failsWith(exec.detach(fixtures.exit(0), { tag }), "TagInUse")).tag, tag)
        yield* first.kill({ signal: "SIGKILL" })
        yield* first.wait()
        const second = yield* exec.detach(fixtures.exit(5), { tag })
        assert.strictEqual((yield* second.wait()).exitCode, 5)
        assert.strictEqual((yield* exec.get(tag)).id, second.id)
      })),
    test("C30 two that start with one tag at the same time: one of them is refused", ({ exec }) =>
      Effect.gen(function* () {
        const exits = yield* Effect.all(
          Array.from({ length: 5 }, () => Effect.exit(owned(exec.detach(fixtures.hang, { tag: "C30-race" })))),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(exits.filter(Exit.isSuccess).length, 1)
      })),
    test("C30 a tag of digits only is refused", ({ exec }) =>
      Effect.map(failsWith(exec.detach(fixtures.hang, { tag: "1234" }), "InvalidCommand"), (reason) =>
        assert.match(reason.field, /tag/)
      )),
    test("C30 detaching twice with one id starts once", ({ exec }) =>
      Effect.gen(function* () {
        const id = yield* ProcessId.random
        const [one, two] = yield* Effect.all(
          [owned(exec.detach(fixtures.hang, { id })), owned(exec.detach(fixtures.hang, { id }))],
          { concurrency: "unbounded" }
        )
        const three = yield* exec.detach(fixtures.hang, { id })
        assert.strictEqual(two.pid, one.pid)
        assert.strictEqual(three.pid, one.pid)
        assert.strictEqual(three.id, id)
      })),
    test("C31 a detached process outlives the scope of its caller", ({ exec, alive }) =>
      Effect.gen(function* () {
        const process = yield* Effect.scoped(exec.detach(fixtures.hang))
        yield* Effect.addFinalizer(() => Effect.ignore(process.kill({ signal: "SIGKILL" })))
        assert.deepStrictEqual(yield* alive([process.pid]), [process.pid])
        assert.isTrue(yield* process.isRunning)
      })),
    ...when(sibling !== undefined && capabilities.detach === "layer", () => [
      test("C31 closing the layer ends its processes; the handle then fails with Closed", ({ areDead }) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const context = yield* Layer.buildWithScope(Layer.fresh(sibling!), scope)
          const other = Context.get(context, Exec.Exec)
          const done = yield* other.detach(fixtures.exit(3))
          yield* done.wait()
          const process = yield* other.detach(fixtures.tree("stubborn"), { grace: 300 })
          const seen = yield* follow(process.events())
          const pids = yield* seen.seesMembers(3)
          yield* Scope.close(scope, Exit.void)
          yield* areDead(pids)
          yield* failsWith(process.read, "Closed")
          yield* failsWith(process.peek, "Closed")
          yield* failsWith(process.bufferSize, "Closed")
          yield* failsWith(collect(process.events()), "Closed")
          yield* failsWith(other.detach(fixtures.exit(0)), "Closed")
          yield* failsWith(other.get(process.id), "Closed")
          // What is known stays known.
          assert.strictEqual((yield* process.wait()).pid, process.pid)
          assert.deepStrictEqual((yield* done.wait()).status, { _tag: "Exited", code: 3 })
        })),
      test("C15 what was left to linger ends when the layer closes", ({ alive, areDead }) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const context = yield* Layer.buildWithScope(Layer.fresh(sibling!), scope)
          const result = yield* Context.get(context, Exec.Exec).run(fixtures.tree("background", "exits"), {
            lingering: "leave"
          })
          const pids = Array.from(result.stdout.matchAll(/PID (\d+)/g), ([, pid]) => Number(pid))
          assert.strictEqual((yield* alive(pids)).length, 1)
          yield* Scope.close(scope, Exit.void)
          yield* areDead(pids)
        }))
    ]),
    test("C35 wait gives the result with the real duration, as often as one asks", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.late, { lingering: "await" })
        const result = yield* process.wait()
        assert.deepStrictEqual(result.status, { _tag: "Exited", code: 0 })
        assert.match(result.stdout, /early\nlate\n$/)
        assert.isBelow(Duration.toMillis(result.duration), 1000, "to the exit, not to the end of the tree")
        assert.isFalse(yield* process.isRunning)
        const again = yield* process.wait()
        assert.strictEqual(again.stdout, result.stdout)
        assert.strictEqual(Duration.toMillis(again.duration), Duration.toMillis(result.duration))
      })),
    test("C35 wait with a timeout that passes is WaitTimedOut, and the process runs on", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* owned(exec.detach(fixtures.hang))
        const reason = yield* failsWith(process.wait({ timeout: 50 }), "WaitTimedOut")
        assert.strictEqual(Duration.toMillis(reason.after), 50)
        assert.isTrue(yield* process.isRunning)
        yield* process.kill({ signal: "SIGKILL" })
        const result = yield* process.wait({ timeout: "10 seconds" })
        assert.strictEqual(result.exitCode, 137)
        assert.strictEqual(result.endedBy, "signal")
      })),
    ...when(capabilities.stdin !== "none", () => [
      test("C39 stdin stays open for writes from anywhere, until it is closed", ({ exec }) =>
        Effect.gen(function* () {
          const process = yield* owned(exec.detach(fixtures.cat, { stdin: "open" }))
          yield* process.write("one ")
          const other = yield* exec.get(process.id)
          yield* other.write(encode("two"))
          yield* other.closeStdin
          assert.strictEqual((yield* process.wait()).stdout, "one two")
        })),
      test("C39 writing after the exit is ProcessExited; without an open stdin it is Unsupported", ({ exec }) =>
        Effect.gen(function* () {
          const process = yield* exec.detach(fixtures.deaf(0), { stdin: "open" })
          yield* process.wait()
          yield* failsWith(process.write("x"), "ProcessExited")
          yield* process.closeStdin
          const closed = yield* owned(exec.detach(fixtures.hang))
          yield* failsWith(closed.write("x"), "Unsupported")
        })),
      test("C39 the stream given as stdin of a detached process fails: StdinFailed", ({ exec, areDead }) =>
        Effect.gen(function* () {
          const process = yield* exec.detach(fixtures.hang, { stdin: Stream.fail("the source is broken") })
          yield* failsWith(process.wait(), "StdinFailed")
          yield* areDead([process.pid])
        }))
    ])
  ]
}

/** C40, C41: finding processes again. */
export const finding: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C40 list tells of what runs, and on request of what is retained; no environment in it", ({ exec }) =>
      Effect.gen(function* () {
        const command = { ...fixtures.hang, env: { ...fixtures.hang.env, EFFECT_EXEC_VALUE: "not-in-a-list" } }
        const process = yield* owned(exec.detach(command, { tag: "C40" }))
        const running = (yield* exec.list()).find(({ id }) => id === process.id)
        if (running === undefined) return assert.fail("it is not in the list")
        assert.strictEqual(running.pid, process.pid)
        assert.strictEqual(running.tag, "C40")
        assert.deepStrictEqual(running.command.argv, command.argv)
        assert.notProperty(running, "status")
        assert.notInclude(JSON.stringify(running), "not-in-a-list")
        assert.isAbove(running.startedAt?.epochMilliseconds ?? 0, 1_000_000)
        yield* process.kill({ signal: "SIGKILL" })
        yield* process.wait()
        assert.isUndefined((yield* exec.list()).find(({ id }) => id === process.id))
        const retained = (yield* exec.list({ exited: true })).find(({ id }) => id === process.id)
        if (target.capabilities.exit === "exact")
          assert.deepStrictEqual(retained?.status, { _tag: "Signaled", signal: "SIGKILL" })
        assert.isDefined(retained?.status)
      })),
    test("C40 spawned processes belong to their scope and are not listed", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.hang)
        assert.isUndefined((yield* exec.list({ exited: true })).find(({ id }) => id === process.id))
      })),
    test("C41 get finds it by id, tag and pid, and gives the full handle", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* owned(exec.detach(fixtures.hang, { tag: "C41-tag" }))
        const seen = yield* follow(process.events())
        yield* seen.sees("READY\n")
        for (const selector of [process.id, "C41-tag", process.pid, String(process.pid)]) {
          const found = yield* exec.get(selector)
          assert.strictEqual(found.id, process.id)
          assert.strictEqual(found.pid, process.pid)
          assert.strictEqual((yield* found.peek).stdout, "READY\n")
        }
        yield* (yield* exec.get("C41-tag")).kill({ signal: "SIGKILL" })
        assert.strictEqual((yield* process.wait()).exitCode, 137)
      })),
    test("C41 an unknown selector is ProcessNotFound", ({ exec }) =>
      Effect.gen(function* () {
        for (const selector of ["no-such-process", 999_999_999, "999999999"]) {
          const reason = yield* failsWith(exec.get(selector), "ProcessNotFound")
          assert.strictEqual(reason.selector, String(selector))
          yield* failsWith(collect(exec.connect(selector)), "ProcessNotFound")
        }
      })),
    test("C41 what has exited is retained: it replays and ends with Exited", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.numbers(1000), { tag: "C41-exited" })
        yield* process.wait()
        const seen = yield* collect(exec.connect("C41-exited"))
        assert.strictEqual(seen[0]?._tag, "Started")
        sameBytes(outputOf(seen, "Stdout"), encode(numberLines(1, 1000)), "the replay")
        const last = seen.at(-1)
        assert.deepStrictEqual(last?._tag === "Exited" && last.status, { _tag: "Exited", code: 0 })
        assert.strictEqual((yield* exec.get(process.pid)).id, process.id)
      })),
    test("C41 the events of all detached processes", ({ exec }) =>
      Effect.gen(function* () {
        const all: Array<readonly [ProcessId.ProcessId, ExecEvent]> = []
        yield* exec.events.pipe(
          Stream.runForEach((event) => Effect.sync(() => all.push(event))),
          Effect.forkScoped
        )
        yield* Effect.sleep(20)
        const one = yield* exec.detach(fixtures.echo(["one"]))
        const two = yield* exec.detach(fixtures.echo(["two"]))
        const of = (id: ProcessId.ProcessId) => all.filter(([from]) => from === id).map(([, event]) => event)
        for (const [process, word] of [
          [one, "one\0"],
          [two, "two\0"]
        ] as const) {
          yield* eventually(
            `the end of ${word}`,
            Effect.sync(() => of(process.id).at(-1)?._tag === "Exited")
          )
          assert.strictEqual(of(process.id)[0]?._tag, "Started")
          sameBytes(outputOf(of(process.id), "Stdout"), encode(word), word)
        }
      })),
    test("C6 what could not be started is neither listed nor found", ({ exec }) =>
      Effect.gen(function* () {
        const id = yield* ProcessId.random
        yield* failsWith(exec.detach(Command.make("effect-exec-no-such-program"), { id }), "CommandNotFound")
        yield* failsWith(exec.get(id), "ProcessNotFound")
        // The id is free again: nothing was started under it.
        const process = yield* exec.detach(fixtures.exit(0), { id })
        assert.isTrue((yield* process.wait()).ok)
      }))
  ]
}
