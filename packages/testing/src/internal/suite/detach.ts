/**
 * Detached processes: their handle, their ring, their readers.
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
import type { DetachedProcess, ProcessHandle } from "effect-exec/Process"
import * as ProcessId from "effect-exec/ProcessId"
import { toOctal } from "../bytes.ts"
import { encode } from "../web.ts"
import { type Chapter, testOf, when } from "./case.ts"
import { collect, eventually, follow, outputOf, sameBytes } from "./facts.ts"
import { failsWith } from "./kit.ts"
import { numberLines } from "./run.ts"

/** Ends it with the test, whatever becomes of that. */
const owned = <P extends ProcessHandle, E, R>(detach: Effect.Effect<P, E, R>) =>
  Effect.acquireRelease(detach, (process) => Effect.ignore(process.kill({ signal: "SIGKILL" })))

const say = (process: ProcessHandle, bytes: string | ReadonlyArray<number>, verb: "out" | "err" = "out") =>
  process.write(`${verb} ${toOctal(typeof bytes === "string" ? encode(bytes) : Uint8Array.from(bytes))}\n`)

/** Waits until the ring has seen this many bytes, those that were taken included. */
const written = (process: DetachedProcess, count: number, taken = 0) =>
  eventually(
    `${count} bytes were written`,
    Effect.gen(function* () {
      return (yield* process.bufferSize) + (yield* process.evicted) + taken >= count
    })
  )

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

/** C32, C33, C34, C36, C37: the ring, filled by a process that writes what it is told. */
export const rings: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  const puppet = (exec: Exec.Exec["Service"], options?: { readonly ring?: number; readonly overflow?: "block" }) =>
    owned(exec.detach(fixtures.puppet, { stdin: "open", ...options }))
  return when(target.capabilities.stdin !== "none", () => [
    test("C33 read takes and clears, peek leaves", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec)
        yield* say(process, "out 1\n")
        yield* written(process, 6)
        yield* say(process, "err 1\n", "err")
        yield* written(process, 12)
        const both = { stdout: "out 1\n", stderr: "err 1\n", evicted: 0 }
        assert.deepStrictEqual(yield* process.peek, both)
        assert.deepStrictEqual(yield* process.peek, both)
        assert.strictEqual(yield* process.bufferSize, 12)
        assert.deepStrictEqual(yield* process.read, both)
        assert.deepStrictEqual(yield* process.read, { stdout: "", stderr: "", evicted: 0 })
        assert.strictEqual(yield* process.bufferSize, 0)
        yield* say(process, "out 2\n")
        yield* written(process, 18, 12)
        assert.strictEqual((yield* process.read).stdout, "out 2\n")
        assert.isFalse(yield* process.bufferOverflow)
      })),
    test("C33 an incomplete character is kept for the next read, and is U+FFFD after the exit", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec)
        const [a = 0, b = 0] = encode("é")
        yield* say(process, [0x41, a])
        yield* written(process, 2)
        assert.strictEqual((yield* process.peek).stdout, "A")
        assert.strictEqual((yield* process.read).stdout, "A")
        assert.strictEqual((yield* process.read).stdout, "")
        yield* say(process, [b])
        yield* eventually(
          "the rest of the character",
          Effect.map(process.peek, ({ stdout }) => stdout === "é")
        )
        assert.strictEqual((yield* process.read).stdout, "é")
        yield* say(process, [a])
        yield* process.closeStdin
        yield* process.wait()
        assert.strictEqual((yield* process.read).stdout, "\uFFFD")
      })),
    test("C33 at an evicted edge text begins with a whole character, and the orphans count as evicted", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec, { ring: 15 })
        yield* say(process, "é".repeat(10))
        yield* process.closeStdin
        yield* process.wait()
        const snapshot = yield* process.read
        assert.strictEqual(snapshot.stdout, "é".repeat(7))
        assert.strictEqual(snapshot.evicted, 6)
      })),
    test("C34 bufferSize, bufferOverflow and evicted are exact", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec, { ring: 100 })
        yield* say(process, "x".repeat(60))
        yield* written(process, 60)
        assert.strictEqual(yield* process.bufferSize, 60)
        assert.isFalse(yield* process.bufferOverflow)
        yield* say(process, "y".repeat(60), "err")
        yield* written(process, 120)
        assert.strictEqual(yield* process.bufferSize, 100)
        assert.isTrue(yield* process.bufferOverflow)
        assert.strictEqual(yield* process.evicted, 20)
        const snapshot = yield* process.read
        assert.deepStrictEqual(snapshot, { stdout: "x".repeat(40), stderr: "y".repeat(60), evicted: 20 })
        assert.strictEqual(yield* process.evicted, 20)
        yield* process.closeStdin
        const result = yield* process.wait()
        assert.isTrue(result.truncated)
      })),
    test("C36 events replay what the ring holds, then follow live; readers do not disturb each other", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec)
        yield* say(process, "one ")
        yield* written(process, 4)
        const early = yield* follow(process.events())
        const stopped = yield* Effect.forkScoped(Stream.runForEach(process.events(), () => Effect.never))
        yield* early.sees("one ")
        yield* say(process, "two ")
        yield* early.sees("two ")
        const late = yield* follow(process.events())
        const middle = yield* follow(process.events({ from: 4 }))
        yield* say(process, "three")
        for (const reader of [early, late]) yield* reader.sees("one two three")
        yield* middle.sees("two three")
        assert.strictEqual(middle.stdout(), "two three")
        yield* process.closeStdin
        for (const reader of [early, late, middle]) {
          yield* reader.ended
          assert.strictEqual(reader.events[0]?._tag, "Started")
          assert.strictEqual(reader.events.filter(({ _tag }) => _tag === "Exited").length, 1)
        }
        assert.strictEqual(stopped.pollUnsafe(), undefined)
        const after = yield* collect(process.events({ from: 8 }))
        assert.deepStrictEqual(
          after.map(({ _tag }) => _tag),
          ["Started", "Stdout", "Exited"]
        )
      })),
    test("C36 a Gap says which bytes were evicted; delivered and lost are all that was written", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec, { ring: 64 })
        yield* say(process, "a".repeat(50))
        yield* written(process, 50)
        yield* say(process, "b".repeat(50))
        yield* process.closeStdin
        yield* process.wait()
        const seen = yield* collect(process.events())
        const gap = seen[1]
        assert.deepStrictEqual(gap, { _tag: "Gap", from: 0, to: 36 } satisfies ExecEvent)
        assert.strictEqual(outputOf(seen, "Stdout").length, 64)
        const partly = yield* collect(process.events({ from: 90 }))
        assert.isFalse(partly.some(({ _tag }) => _tag === "Gap"))
        assert.strictEqual(outputOf(partly, "Stdout").length, 10)
      }))
  ])
}

/** C32, C36, C37: the ring under load. */
export const overflow: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  const count = 100_000
  const whole = encode(numberLines(1, count))
  return [
    test("C32 output is in the ring from its first byte on, both streams together", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.numbers(2000, "both"))
        const result = yield* process.wait()
        assert.strictEqual(result.stdout, numberLines(1, 500) + numberLines(1001, 1500))
        assert.strictEqual(result.stderr, numberLines(501, 1000) + numberLines(1501, 2000))
        assert.isFalse(result.truncated)
        const snapshot = yield* process.peek
        assert.strictEqual(snapshot.stdout, result.stdout)
        assert.strictEqual(snapshot.stderr, result.stderr)
      })),
    test("C37 evict, the default, never blocks the process and keeps the last bytes", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.numbers(count), { ring: 1000 })
        const result = yield* process.wait({ timeout: "20 seconds" })
        assert.isTrue(result.ok)
        assert.isTrue(result.truncated)
        sameBytes(result.stdoutBytes, whole.subarray(-1000), "the last bytes")
        assert.strictEqual(yield* process.evicted, whole.length - 1000)
      })),
    test("C36 a reader that follows live gets every byte or a Gap for it", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.numbers(count), { ring: 20_000 })
        const seen = yield* collect(process.events())
        let at = 0
        for (const event of seen) {
          if (event._tag === "Gap") {
            assert.strictEqual(event.from, at)
            at = event.to
          } else if (event._tag === "Stdout") {
            assert.strictEqual(event.offset, at)
            at += event.bytes.length
            sameBytes(event.bytes, whole.subarray(event.offset, at), `the bytes at ${event.offset}`)
          }
        }
        assert.strictEqual(at, whole.length)
        assert.strictEqual(seen.at(-1)?._tag, "Exited")
      })),
    test("C37 block makes the process wait until somebody takes; nothing is lost", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* owned(exec.detach(fixtures.numbers(count), { ring: 10_000, overflow: "block" }))
        yield* failsWith(process.wait({ timeout: 400 }), "WaitTimedOut")
        assert.strictEqual(yield* process.bufferSize, 10_000)
        const parts: Array<string> = []
        while (yield* process.isRunning) {
          parts.push((yield* process.read).stdout)
          yield* Effect.sleep(1)
        }
        const final = yield* Effect.forkScoped(process.wait())
        while (final.pollUnsafe() === undefined) {
          parts.push((yield* process.read).stdout)
          yield* Effect.sleep(1)
        }
        parts.push((yield* process.read).stdout)
        sameBytes(encode(parts.join("")), whole, "what was taken")
        assert.strictEqual(yield* process.evicted, 0)
      })),
    test("C37 a reader that asked for it holds the process", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* owned(exec.detach(fixtures.numbers(count), { ring: 10_000, overflow: "block" }))
        const taker = yield* Effect.forkScoped(Effect.forever(Effect.andThen(process.read, Effect.sleep(1))))
        const seen = yield* collect(Stream.tap(process.events({ lag: "block" }), () => Effect.sleep(1)))
        const first = seen.find((event) => event._tag === "Stdout")
        const from = first?._tag === "Stdout" ? first.offset : 0
        sameBytes(outputOf(seen, "Stdout"), whole.subarray(from), "from the first byte that the reader met")
        taker.interruptUnsafe()
      }))
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
