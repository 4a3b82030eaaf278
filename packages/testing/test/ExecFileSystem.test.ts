/** How many operations of a file system are under way at a time: a program may ask for any number. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { assert, it } from "@effect/vitest"
import { Exec, ExecFileSystem } from "effect-exec"
import type { Files } from "effect-exec/Files"
import * as TestExec from "../src/TestExec.ts"

it.effect("sixteen at a time; streams and sinks beside them, for they last", () =>
  Effect.gen(function* () {
    const gate = yield* Deferred.make<void>()
    const seen = { running: 0, most: 0, done: 0 }
    const counted = Effect.gen(function* () {
      seen.most = Math.max(seen.most, ++seen.running)
      yield* Deferred.await(gate)
      seen.running--
      seen.done++
    })
    const files = {
      access: () => counted,
      write: () => Effect.as(counted, { write: () => Effect.void, close: Effect.void }),
      read: () => Stream.make(Uint8Array.of(1))
    } as unknown as Files
    const exec = yield* Exec.Exec
    const fs = ExecFileSystem.make({ ...exec, files: Effect.succeed(files) })
    const all = yield* Effect.forkChild(
      Effect.forEach(
        Array.from({ length: 40 }, (_, index) => index),
        (index) => (index % 2 === 0 ? fs.access("/x") : fs.writeFile("/x", Uint8Array.of(1))),
        { concurrency: "unbounded" }
      ),
      { startImmediately: true }
    )
    yield* Effect.yieldNow
    assert.strictEqual(seen.running, 16)
    assert.strictEqual((yield* Stream.runCollect(fs.stream("/x"))).length, 1)
    const writing = yield* Effect.forkChild(Stream.run(Stream.make(Uint8Array.of(1)), fs.sink("/x")), {
      startImmediately: true
    })
    yield* Effect.yieldNow
    assert.strictEqual(seen.running, 17)
    yield* Deferred.succeed(gate, undefined)
    yield* Fiber.join(all)
    yield* Fiber.join(writing)
    assert.deepStrictEqual(seen, { running: 0, most: 17, done: 41 })
  }).pipe(Effect.provide(TestExec.layer({ programs: {} })))
)
