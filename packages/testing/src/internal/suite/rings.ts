/**
 * The ring of a detached process, and its readers.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as Exec from "effect-exec/Exec"
import type { ExecEvent } from "effect-exec/ExecEvent"
import type { DetachedProcess, ProcessHandle } from "effect-exec/Process"
import { toOctal } from "../bytes.ts"
import { encode } from "../web.ts"
import { type Chapter, testOf, when } from "./case.ts"
import { collect, eventually, follow, numberLines, outputOf, sameBytes } from "./facts.ts"
import { failsWith, owned } from "./kit.ts"

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
