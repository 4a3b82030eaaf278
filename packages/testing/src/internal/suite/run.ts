/**
 * Running a command to its end.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { assert } from "@effect/vitest"
import * as Exec from "effect-exec/Exec"
import * as Signal from "effect-exec/Signal"
import { encode, residentMemory } from "../web.ts"
import { type Chapter, testOf } from "./case.ts"
import { numberLines, sameBytes } from "./facts.ts"

const MiB = 1024 * 1024

/** What `numbers COUNT both` writes on one of the streams. */
const alternating = (count: number, first: 1 | 501): Uint8Array => {
  const blocks: Array<string> = []
  for (let n = first; n <= count; n += 1000) blocks.push(numberLines(n, n + 499))
  return encode(blocks.join(""))
}

/** C10, C11, C14: results, and their output. */
export const results: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures, capabilities } = target
  return [
    test("C10 run yields the whole result", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.numbers(1000, "both"))
        assert.deepStrictEqual(result.status, { _tag: "Exited", code: 0 })
        assert.strictEqual(result.exitCode, 0)
        assert.strictEqual(result.stdout, numberLines(1, 500))
        assert.strictEqual(result.stderr, numberLines(501, 1000))
        sameBytes(result.stdoutBytes, encode(result.stdout), "stdoutBytes")
        sameBytes(result.stderrBytes, encode(result.stderr), "stderrBytes")
        assert.isAbove(result.pid, 0)
        assert.isAtLeast(Duration.toMillis(result.duration), 0)
        assert.isBelow(Duration.toMillis(result.duration), 30_000)
        assert.strictEqual(result.endedBy, "self")
        assert.isFalse(result.timedOut)
        assert.isFalse(result.truncated)
        assert.isFalse(result.incomplete)
        assert.isTrue(result.ok)
      })),
    test("C10 every exit code is told as it is", ({ exec }) =>
      Effect.forEach([0, 1, 2, 42, 126, 127, 128, 130, 137, 143, 255], (code) =>
        Effect.map(exec.run(fixtures.exit(code)), (result) => {
          assert.deepStrictEqual(result.status, { _tag: "Exited", code })
          assert.strictEqual(result.exitCode, code)
          assert.strictEqual(result.ok, code === 0)
        })
      )),
    test("C10 a death by signal is told apart from an exit", ({ exec }) =>
      Effect.forEach(["TERM", "KILL", "INT", "HUP", "USR1"] as const, (name) =>
        Effect.map(exec.run(fixtures.killSelf(name)), (result) => {
          const code = 128 + Signal.toNumber(`SIG${name}`)
          if (capabilities.exit === "exact")
            assert.deepStrictEqual(result.status, { _tag: "Signaled", signal: `SIG${name}` })
          assert.strictEqual(result.exitCode, code)
          assert.isFalse(result.ok)
          assert.strictEqual(result.endedBy, "self")
        })
      )),
    test("C10 bytes that are no text are kept as they are", ({ exec }) =>
      Effect.gen(function* () {
        const every = Uint8Array.from({ length: 256 }, (_, i) => i)
        const out = yield* exec.run(fixtures.write(every, 1))
        sameBytes(out.stdoutBytes, every, "stdout")
        assert.strictEqual(out.stderrBytes.length, 0)
        const err = yield* exec.run(fixtures.write(every, 2))
        sameBytes(err.stderrBytes, every, "stderr")
        assert.strictEqual(err.stdoutBytes.length, 0)
        assert.include(out.stdout, "\uFFFD")
      })),
    test("C10 commands run side by side without disturbing each other", ({ exec }) =>
      Effect.gen(function* () {
        const words = Array.from({ length: 20 }, (_, i) => `word ${i}`)
        const results = yield* Effect.forEach(words, (word) => exec.run(fixtures.echo([word])), { concurrency: 10 })
        assert.deepStrictEqual(
          results.map(({ stdout }) => stdout),
          words.map((word) => `${word}\0`)
        )
      })),
    test("C11 a non-zero exit is a success of the effect; orFail makes it a typed error with the result", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.exit(1))
        assert.isFalse(result.ok)
        const error = yield* Effect.flip(Exec.orFail(exec.run(fixtures.exit(9))))
        if (error._tag !== "CommandFailed") return assert.fail(error.message)
        assert.strictEqual(error.result.exitCode, 9)
        assert.include(error.message, "9")
        assert.isTrue((yield* Exec.orFail(exec.run(fixtures.exit(0)))).ok)
      })),
    test("C14 more than any pipe holds, on stdout", ({ exec }) =>
      Effect.map(exec.run(fixtures.numbers(300_000)), (result) =>
        sameBytes(result.stdoutBytes, encode(numberLines(1, 300_000)), "stdout")
      )),
    test("C14 more than any pipe holds, on stderr", ({ exec }) =>
      Effect.map(exec.run(fixtures.numbers(300_000, 2)), (result) => {
        sameBytes(result.stderrBytes, encode(numberLines(1, 300_000)), "stderr")
        assert.strictEqual(result.stdoutBytes.length, 0)
      })),
    test("C14 more than any pipe holds, on both by turns", ({ exec }) =>
      Effect.map(exec.run(fixtures.numbers(100_000, "both")), (result) => {
        sameBytes(result.stdoutBytes, alternating(100_000, 1), "stdout")
        sameBytes(result.stderrBytes, alternating(100_000, 501), "stderr")
      }))
  ]
}

/** C13: a limit on output. */
export const limits: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C13 maxOutput ends the tree, and what is kept is exact", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.numbers(300_000), { maxOutput: 100_001 })
        sameBytes(result.stdoutBytes, encode(numberLines(1, 300_000)).subarray(0, 100_001), "stdout")
        assert.isTrue(result.truncated)
        assert.strictEqual(result.endedBy, "maxOutput")
        assert.isFalse(result.timedOut)
        yield* areDead([result.pid])
      })),
    test("C13 maxOutput counts both streams together", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.numbers(100_000, "both"), { maxOutput: 50_000 })
        assert.strictEqual(result.stdoutBytes.length + result.stderrBytes.length, 50_000)
        const stdout = alternating(100_000, 1).subarray(0, result.stdoutBytes.length)
        sameBytes(result.stdoutBytes, stdout, "stdout")
        sameBytes(result.stderrBytes, alternating(100_000, 501).subarray(0, result.stderrBytes.length), "stderr")
        assert.isTrue(result.truncated)
      })),
    test("C13 output of just that size is whole", ({ exec }) =>
      Effect.gen(function* () {
        const text = numberLines(1, 1000)
        const result = yield* exec.run(fixtures.numbers(1000), { maxOutput: text.length })
        assert.strictEqual(result.stdout, text)
        assert.isFalse(result.truncated)
        assert.strictEqual(result.endedBy, "self")
        assert.isTrue(result.ok)
        const none = yield* exec.run(fixtures.exit(0), { maxOutput: 0 })
        assert.isFalse(none.truncated)
      })),
    test("C13 endless output ends at the default limit, in flat memory", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const before = residentMemory()
        const result = yield* exec.run(fixtures.flood(2))
        assert.strictEqual(result.stderrBytes.length, 10 * MiB)
        assert.isTrue(result.truncated)
        const after = residentMemory()
        if (before !== undefined) assert.isBelow(after! - before, 192 * MiB)
        yield* areDead([result.pid])
      }))
  ]
}
