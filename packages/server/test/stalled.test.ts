/** C23: a reader that stops, stops its own process, and neither its neighbours nor the memory of both ends pays. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Stream from "effect/Stream"
import { assert, it } from "@effect/vitest"
import { LocalExec } from "@effect-exec/local"
import { Command, Exec, type ExecError, type ExecEvent } from "effect-exec"
import { overSocket } from "./served.ts"

const mebibytes = Number(process.env["EFFECT_EXEC_MEBIBYTES"] ?? 128)
const size = mebibytes * 1024 * 1024

it.live(
  `C23 of three streams of ${mebibytes} MiB one is not read: the others complete, and memory stays flat`,
  () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const source = Command.make("head", ["-c", String(size), "/dev/zero"])
      const count = (events: Stream.Stream<ExecEvent.ExecEvent, ExecError.ExecError>, wait: Effect.Effect<unknown>) => {
        let bytes = 0
        return Stream.runForEach(events, (event) => {
          if (event._tag !== "Stdout") return Effect.void
          const isFirst = bytes === 0
          bytes += event.bytes.length
          return isFirst ? wait : Effect.void
        }).pipe(Effect.map(() => bytes))
      }
      global.gc?.()
      const before = process.memoryUsage().rss
      let most = before
      const goOn = Latch.makeUnsafe(false)
      const stalled = yield* Effect.forkScoped(count(exec.stream(source), goOn.await))
      const watching = yield* Effect.forkScoped(
        Effect.forever(
          Effect.andThen(
            Effect.sleep(50),
            Effect.sync(() => (most = Math.max(most, process.memoryUsage().rss)))
          )
        )
      )
      const others = yield* Effect.all(
        [count(exec.stream(source), Effect.void), count(exec.stream(source), Effect.void)],
        {
          concurrency: "unbounded"
        }
      )
      assert.deepStrictEqual(others, [size, size])
      assert.isUndefined(stalled.pollUnsafe())
      goOn.openUnsafe()
      assert.strictEqual(yield* Fiber.join(stalled), size)
      yield* Fiber.interrupt(watching)
      const grown = (most - before) / 1024 / 1024
      console.log(`both ends in one process: +${grown.toFixed(0)} MiB at the most, of ${3 * mebibytes} MiB`)
      // Windows of 16 MiB a stream and direction, and what the garbage collector has not looked at yet.
      assert.isBelow(grown, 200)
    }).pipe(Effect.provide(overSocket(LocalExec.layer))),
  { timeout: 120_000 }
)

it.live("C23 those who share a connection get the same share of it", () =>
  Effect.gen(function* () {
    const exec = yield* Exec.Exec
    const got = Array.from({ length: 20 }, () => 0)
    const follow = (index: number) =>
      Stream.runForEach(exec.stream(Command.make("cat", ["/dev/zero"]), { grace: 200 }), (event) =>
        Effect.sync(() => {
          if (event._tag === "Stdout") got[index] = (got[index] ?? 0) + event.bytes.length
        })
      )
    yield* Effect.forkScoped(Effect.forEach(got, (_, index) => follow(index), { concurrency: "unbounded" }))
    while (got.some((bytes) => bytes === 0)) yield* Effect.sleep(5)
    const before = [...got]
    const come = () => got.map((bytes, index) => bytes - (before[index] ?? 0))
    const sum = () => come().reduce((all, bytes) => all + bytes, 0)
    while (sum() < 100 * 1024 * 1024) yield* Effect.sleep(5)
    const mean = sum() / got.length
    for (const bytes of come())
      assert.isTrue(bytes > mean * 0.9 && bytes < mean * 1.1, `${bytes} of ${mean} on average`)
  }).pipe(Effect.scoped, Effect.provide(overSocket(LocalExec.layer)))
)
