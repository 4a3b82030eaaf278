/**
 * Which of several places commands run in.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { assert } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import * as ExecLayer from "effect-exec/ExecLayer"
import * as ExecPool from "effect-exec/ExecPool"
import * as FaultyExec from "../../FaultyExec.ts"
import { eventually } from "../suite/facts.ts"
import { test, withEach, type Test } from "./kit.ts"

/** A layer that counts how often it was built, and how many of these are open. */
const counted = (layer: Layer.Layer<Exec.Exec, ExecError>) => {
  const seen = { made: 0, open: 0 }
  const count = Layer.effectDiscard(
    Effect.acquireRelease(
      Effect.sync(() => {
        seen.made++
        seen.open++
      }),
      () => Effect.sync(() => void seen.open--)
    )
  )
  return { seen, layer: Layer.provideMerge(count, Layer.fresh(layer)) }
}

/** Where commands start: whether somebody was there before. */
const used = Effect.map(
  Exec.run(Command.make("/bin/sh", ["-c", "ls -d used 2>/dev/null; mkdir -p used"])),
  ({ stdout }) => stdout !== ""
)

const lost = FaultyExec.layer({ faults: [FaultyExec.lose({ after: 1 })] })

/** Places. */
export const places: ReadonlyArray<Test> = [
  test("fallback: the first that can be reached has all commands, and those behind it are not built", function* ({
    exec,
    lines,
    sandbox,
    sh,
    unreachable
  }) {
    const { layer, seen } = counted(sandbox)
    const here = Layer.succeed(Exec.Exec, exec)
    const chosen = Context.get(yield* Layer.build(ExecLayer.fallback(unreachable, here, layer)), Exec.Exec)
    yield* withEach((verb) => verb(chosen, sh("echo >>log")))
    assert.strictEqual((yield* lines("log")).length, 4)
    assert.strictEqual(seen.made, 0)
  }),
  test("fallback: fails as the last one does", function* ({ unreachable }) {
    const none = ExecLayer.fallback(unreachable, Layer.fresh(unreachable))
    const { reason } = yield* Effect.flip(Effect.scoped(Layer.build(none)))
    assert.deepInclude(reason, { _tag: "BackendUnavailable", isRetryable: true })
  }),
  test("fallback and plan: what may have run does not run in a second place", function* ({ exec, lines, sh }) {
    const here = Layer.succeed(Exec.Exec, exec)
    const first = Layer.provide(lost, here)
    const command = Exec.run(sh("echo >>log; echo said; exec sleep 300"))
    const plan = ExecLayer.plan(first, here)
    for (const failing of [
      Effect.provide(command, ExecLayer.fallback(first, here)),
      Effect.withExecutionPlan(command, plan)
    ]) {
      const { reason } = yield* Effect.flip(failing)
      assert.deepInclude(reason, { _tag: "ConnectionLost", started: true })
    }
    assert.strictEqual((yield* lines("log")).length, 2)
  }),
  test("plan: what did not start in one place runs once in the next", function* ({ exec, lines, sh, unreachable }) {
    const plan = ExecLayer.plan(unreachable, Layer.succeed(Exec.Exec, exec))
    const { exitCode } = yield* Effect.withExecutionPlan(Exec.run(sh("echo >>log; exit 6")), plan)
    assert.deepStrictEqual([exitCode, (yield* lines("log")).length], [6, 1])
  }),
  test("pool: each program has a warm sandbox to itself, the next one waits, and none is used twice", function* ({
    sandbox
  }) {
    const { layer, seen } = counted(sandbox)
    yield* Effect.gen(function* () {
      const pool = yield* ExecPool.make(layer, { size: 2 })
      yield* eventually(
        "two are made before anybody asks",
        Effect.sync(() => seen.made === 2)
      )
      const gate = yield* Deferred.make<void>()
      let inside = 0
      const program = Effect.gen(function* () {
        assert.isFalse(yield* used)
        assert.isTrue(yield* used, "one program, one sandbox")
        inside++
        yield* Deferred.await(gate)
        return yield* Exec.detach(Command.make("sleep", ["300"]))
      }).pipe(Effect.provide(pool))
      const running = yield* Effect.forkChild(Effect.all([program, program, program], { concurrency: 3 }))
      yield* eventually(
        "two are inside",
        Effect.sync(() => inside === 2)
      )
      assert.deepStrictEqual(seen, { made: 2, open: 2 })
      yield* Deferred.succeed(gate, undefined)
      for (const left of yield* Fiber.join(running)) {
        assert.isFalse(yield* Effect.orElseSucceed(left.isRunning, () => false), "what was left running has ended")
      }
    }).pipe(Effect.scoped)
    assert.strictEqual(seen.open, 0)
  }),
  test("pool: with reuse the next program finds what the one before it left", function* ({ sandbox }) {
    const { layer, seen } = counted(sandbox)
    yield* Effect.gen(function* () {
      const pool = yield* ExecPool.make(layer, { size: 1, reuse: true })
      assert.deepStrictEqual(yield* Effect.forEach([1, 2], () => Effect.provide(used, pool)), [false, true])
    }).pipe(Effect.scoped)
    assert.deepStrictEqual(seen, { made: 1, open: 0 })
  })
]
