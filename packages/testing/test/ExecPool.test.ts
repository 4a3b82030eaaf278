/** Sandboxes that are ready before they are needed. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { assert, it } from "@effect/vitest"
import { TestClock } from "effect/testing"
import { Command, Exec, ExecError, ExecPool } from "effect-exec"
import type { ProcessIO } from "../src/Program.ts"
import * as TestExec from "../src/TestExec.ts"

/** Sandboxes that number themselves, and how many there are. */
const sandboxes = () => {
  const seen = { made: 0, reached: 0, open: 0, failing: false }
  const layer = Layer.unwrap(
    Effect.gen(function* () {
      if (seen.failing) {
        return yield* ExecError.make(new ExecError.BackendUnavailable({ backend: "test", hint: "Wait." }))
      }
      const number = ++seen.made
      yield* Effect.acquireRelease(
        Effect.sync(() => void seen.open++),
        () => Effect.sync(() => void seen.open--)
      )
      const reach = Layer.effect(
        Exec.Exec,
        Effect.map(Exec.Exec, (exec) =>
          Exec.Exec.of({
            ...exec,
            capabilities: Effect.andThen(
              Effect.sync(() => void seen.reached++),
              exec.capabilities
            )
          })
        )
      )
      const programs = { number: (io: ProcessIO) => io.stdout(String(number)), hang: () => Effect.never }
      return Layer.provide(reach, TestExec.layer({ programs }))
    })
  )
  return { seen, layer }
}

const number = Effect.map(Exec.run(Command.make("number")), ({ stdout }) => Number(stdout))

it.effect("sandboxes are made before anybody asks, and each is used once", () =>
  Effect.gen(function* () {
    const { layer, seen } = sandboxes()
    yield* Effect.scoped(
      Effect.gen(function* () {
        const pool = yield* ExecPool.make(layer, { size: 2 })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([seen.made, seen.reached], [2, 2], "made, and started")
        const used = yield* Effect.forEach([1, 2, 3, 4], () =>
          Effect.provide(
            Effect.gen(function* () {
              const first = yield* number
              assert.strictEqual(yield* number, first, "one program, one sandbox")
              return first
            }),
            pool
          )
        )
        assert.strictEqual(new Set(used).size, 4)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(seen.open, 2, "there are new ones in the place of those that were used")
      })
    )
    assert.strictEqual(seen.open, 0)
  })
)

it.effect("each is one of its own, also for who has such a sandbox, or one of this pool, already", () =>
  Effect.gen(function* () {
    const { layer } = sandboxes()
    const numbers = yield* Effect.gen(function* () {
      const pool = yield* ExecPool.make(layer, { size: 2 })
      return yield* Effect.provide(Effect.all([number, Effect.provide(number, pool)]), pool)
    }).pipe(Effect.provide(layer))
    assert.deepStrictEqual(numbers.toSorted(), [2, 3])
  })
)

it.effect("while all are in use, the next program waits", () =>
  Effect.gen(function* () {
    const { layer, seen } = sandboxes()
    const pool = yield* ExecPool.make(layer, { size: 2 })
    const gate = yield* Deferred.make<void>()
    const busy = Effect.provide(
      Effect.tap(number, () => Deferred.await(gate)),
      pool
    )
    const two = yield* Effect.forkChild(Effect.all([busy, busy], { concurrency: 2 }))
    yield* TestClock.adjust("1 second")
    const third = yield* Effect.forkChild(Effect.provide(number, pool))
    yield* TestClock.adjust("1 second")
    assert.isUndefined(third.pollUnsafe())
    assert.strictEqual(seen.open, 2)
    yield* Deferred.succeed(gate, undefined)
    const used = [...(yield* Fiber.join(two)), yield* Fiber.join(third)]
    assert.strictEqual(new Set(used).size, 3)
  })
)

it.effect("with reuse a sandbox goes to the next one", () =>
  Effect.gen(function* () {
    const { layer, seen } = sandboxes()
    const pool = yield* ExecPool.make(layer, { size: 1, reuse: true })
    assert.deepStrictEqual(yield* Effect.forEach([1, 2], () => Effect.provide(number, pool)), [1, 1])
    assert.strictEqual(seen.made, 1)
  })
)

it.effect("a sandbox that could not be made fails the program that was to get it, and the next one gets another", () =>
  Effect.gen(function* () {
    const { layer, seen } = sandboxes()
    seen.failing = true
    const pool = yield* ExecPool.make(layer, { size: 1 })
    const error = yield* Effect.flip(Effect.provide(number, pool))
    assert.strictEqual(error.reason._tag, "BackendUnavailable")
    seen.failing = false
    assert.strictEqual(yield* Effect.provide(number, pool), 1)
  })
)

it.effect("what a program left running ends with its sandbox", () =>
  Effect.gen(function* () {
    const { layer, seen } = sandboxes()
    const pool = yield* ExecPool.make(layer, { size: 1 })
    const left = yield* Effect.provide(Exec.detach(Command.make("hang")), pool)
    assert.isFalse(yield* left.isRunning)
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual([seen.made, seen.open], [2, 1])
  })
)
