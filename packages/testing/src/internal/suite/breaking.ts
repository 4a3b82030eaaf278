/**
 * When things break: C60, C61.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assert } from "@effect/vitest"
import * as Exec from "effect-exec/Exec"
import { type Chapter, testOf } from "./case.ts"
import { collect, follow } from "./facts.ts"
import { failsWith } from "./kit.ts"

/** C60, C61: a backend that is not there, and one that is lost. */
export const breaking: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures, severable, unreachable } = target
  return [
    ...(unreachable === undefined
      ? []
      : [
          test("C60 a backend that cannot be reached is BackendUnavailable, and says how to mend it", () =>
            Effect.gen(function* () {
              const exec = yield* Exec.Exec
              const reason = yield* failsWith(exec.run(fixtures.exit(0)), "BackendUnavailable")
              assert.notStrictEqual(reason.hint, "")
              assert.isTrue(reason.isRetryable)
              yield* failsWith(collect(exec.stream(fixtures.exit(0))), "BackendUnavailable")
              yield* failsWith(exec.detach(fixtures.exit(0)), "BackendUnavailable")
              yield* failsWith(exec.capabilities, "BackendUnavailable")
            }).pipe(Effect.provide(unreachable)))
        ]),
    ...(severable === undefined
      ? []
      : [
          test("C61 a backend lost in mid-run is ConnectionLost, after all bytes that did arrive", () =>
            Effect.gen(function* () {
              const { exec, cut } = yield* severable
              const streamed = yield* follow(exec.stream(fixtures.hang, { grace: 300 }))
              yield* streamed.sees("READY\n")
              const spawned = yield* exec.spawn(fixtures.flood(), { grace: 300 })
              const detached = yield* exec.detach(fixtures.hang, { grace: 300 })
              const reader = yield* follow(detached.events())
              yield* reader.sees("READY\n")
              const running = yield* Effect.forkScoped(exec.run(fixtures.hang, { timeout: "1 minute", grace: 300 }))
              yield* Effect.sleep(100)
              yield* cut
              assert.isTrue((yield* failsWith(streamed.ended, "ConnectionLost")).started)
              assert.strictEqual(streamed.stdout(), "READY\n")
              assert.isFalse(streamed.events.some(({ _tag }) => _tag === "Exited"))
              yield* failsWith(collect(spawned.events), "ConnectionLost")
              yield* failsWith(spawned.wait, "ConnectionLost")
              yield* failsWith(reader.ended, "ConnectionLost")
              if (target.capabilities.detach === "layer") {
                yield* failsWith(detached.wait(), "ConnectionLost")
                assert.strictEqual((yield* detached.peek).stdout, "READY\n")
              }
              yield* failsWith(Fiber.join(running), "ConnectionLost")
            }))
        ])
  ]
}
