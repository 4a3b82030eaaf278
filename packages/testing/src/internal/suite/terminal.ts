/**
 * C50: terminals.
 */
import * as Effect from "effect/Effect"
import { assert } from "@effect/vitest"
import { type Chapter, testOf } from "./case.ts"
import { collect, follow } from "./facts.ts"
import { failsWith } from "./kit.ts"

/** C50: terminals. */
export const terminals: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures, capabilities } = target
  const command = { ...fixtures.terminal, tty: { columns: 91, rows: 33 } }
  const withoutOne = test("C50 without being asked there is none, and resize is Unsupported", ({ exec }) =>
    Effect.gen(function* () {
      const process = yield* exec.spawn(fixtures.terminal)
      const seen = yield* follow(process.events)
      yield* seen.sees("READY\n")
      assert.match(seen.stdout(), /^no tty\n/)
      yield* failsWith(process.resize({ columns: 80, rows: 24 }), "Unsupported")
    }))
  if (capabilities.tty === "none") {
    return [
      withoutOne,
      test("C50 a terminal, declared absent, is Unsupported", ({ exec }) =>
        Effect.gen(function* () {
          yield* failsWith(exec.run(command), "Unsupported")
          yield* failsWith(collect(exec.stream(command)), "Unsupported")
          yield* failsWith(exec.detach(command), "Unsupported")
          yield* failsWith(Effect.scoped(exec.spawn(command)), "Unsupported")
        }))
    ]
  }
  return [
    withoutOne,
    test("C50 the process has a terminal of that size, and resize raises SIGWINCH", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(command)
        const seen = yield* follow(process.events)
        yield* seen.sees("READY")
        const lines = () => seen.stdout().split(/\r?\n/)
        assert.strictEqual(lines()[0], "tty")
        assert.strictEqual(lines()[1], "33 91")
        yield* process.resize({ columns: 120, rows: 40 })
        yield* seen.sees("40 120")
        yield* failsWith(process.resize({ columns: 0, rows: 40 }), "InvalidCommand")
      })),
    test("C50 its output is one merged stream", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run({ ...fixtures.numbers(1000, "both"), tty: { columns: 80, rows: 24 } })
        assert.strictEqual(result.stderrBytes.length, 0)
        assert.strictEqual(result.stdout.split("\n").length, 1001)
      }))
  ]
}
