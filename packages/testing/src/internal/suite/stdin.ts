/**
 * Stdin: none, given, streamed, open.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { encode, residentMemory } from "../web.ts"
import * as Sha256 from "../sha256.ts"
import { type Chapter, testOf, when } from "./case.ts"
import { collect, eventually, follow, sameBytes } from "./facts.ts"
import { failsWith } from "./kit.ts"

const MiB = 1024 * 1024
// A size that nothing on the way has, and content that shows where it was cut.
const piece = Uint8Array.from({ length: 65_521 }, (_, i) => (i * 31 + (i >> 8)) & 0xff)

/** The same bytes again and again, up to this size, counted as they are asked for. */
const pieces = (total: number) => {
  const taken = { bytes: 0 }
  const hash = Sha256.make()
  const stream = Stream.suspend(() =>
    Stream.range(0, Math.ceil(total / piece.length) - 1).pipe(
      // One at a time: a whole array of them would be read ahead by the test itself.
      Stream.rechunk(1),
      Stream.map((index) => {
        const bytes = piece.slice(0, Math.min(piece.length, total - index * piece.length))
        taken.bytes += bytes.length
        hash.update(bytes)
        return bytes
      })
    )
  )
  return { stream, taken, hash }
}

/** C8, C9: stdin. */
export const stdin: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C8 stdin is at end-of-file by default", ({ exec }) =>
      Effect.gen(function* () {
        const result = yield* exec.run(fixtures.cat, { timeout: "10 seconds" })
        assert.strictEqual(result.stdout, "")
        assert.isTrue(result.ok)
        const detached = yield* exec.detach(fixtures.cat)
        assert.isTrue((yield* detached.wait({ timeout: "10 seconds" })).ok)
      })),
    ...when(target.capabilities.stdin !== "none", () => [
      test("C8 stdin is text, bytes or a stream", ({ exec }) =>
        Effect.gen(function* () {
          const every = Uint8Array.from({ length: 256 }, (_, i) => i)
          assert.strictEqual((yield* exec.run(fixtures.cat, { stdin: "ä 漢 🎈\n" })).stdout, "ä 漢 🎈\n")
          assert.strictEqual((yield* exec.run(fixtures.cat, { stdin: "" })).stdout, "")
          sameBytes((yield* exec.run(fixtures.cat, { stdin: every })).stdoutBytes, every, "bytes")
          const stream = Stream.make(encode("one "), new Uint8Array(0), encode("two"))
          assert.strictEqual((yield* exec.run(fixtures.cat, { stdin: stream })).stdout, "one two")
          assert.strictEqual((yield* exec.run(fixtures.cat, { stdin: Stream.empty })).stdout, "")
        })),
      test("C8 open stdin takes what the handle writes, until it is closed", ({ exec }) =>
        Effect.gen(function* () {
          const process = yield* exec.spawn(fixtures.cat, { stdin: "open" })
          const seen = yield* follow(process.events)
          yield* process.write("one\n")
          yield* seen.sees("one\n")
          yield* process.write(encode("two\n"))
          yield* seen.sees("two\n")
          assert.isTrue(yield* process.isRunning)
          yield* process.closeStdin
          yield* process.closeStdin
          assert.deepStrictEqual((yield* seen.ended).status, { _tag: "Exited", code: 0 })
          assert.strictEqual(seen.stdout(), "one\ntwo\n")
        })),
      test("C8 when the stream fails, the tree is ended and the effect fails with that error", ({ exec, areDead }) =>
        Effect.gen(function* () {
          const broken = yield* Deferred.make<never, "the source is broken">()
          const seen = yield* follow(
            exec.stream(fixtures.tree("children"), {
              stdin: Stream.concat(Stream.make(encode("x")), Stream.fromEffect(Deferred.await(broken)))
            })
          )
          const pids = yield* seen.seesMembers(3)
          yield* Deferred.fail(broken, "the source is broken")
          assert.strictEqual(yield* Effect.flip(seen.ended), "the source is broken")
          yield* areDead(pids)
          const run = exec.run(fixtures.cat, { stdin: Stream.fail("at once" as const) })
          assert.strictEqual(yield* Effect.flip(run), "at once")
        })),
      test(
        "C9 64 MiB arrive exactly, in flat memory",
        ({ exec }) =>
          Effect.gen(function* () {
            const before = residentMemory()
            const { stream, hash } = pieces(64 * MiB)
            const result = yield* exec.run(fixtures.sha256, { stdin: stream, timeout: "2 minutes" })
            assert.strictEqual(result.stdout.slice(0, 64), hash.digest())
            const after = residentMemory()
            // Twice what was sent would still be far below what queues without a bound come to.
            if (before !== undefined) assert.isBelow(after! - before, 128 * MiB)
          }),
        { timeout: 120_000 }
      ),
      test("C9 what a process does not read is not read ahead", ({ exec }) =>
        Effect.gen(function* () {
          const { stream, taken } = pieces(64 * MiB)
          const seen = yield* follow(exec.stream(fixtures.hang, { stdin: stream }))
          yield* seen.sees("READY\n")
          // It is at rest once nothing was taken for a while.
          let last = -1
          yield* eventually(
            "stdin is at rest",
            Effect.suspend(() => {
              const rest = taken.bytes === last
              last = taken.bytes
              return Effect.delay(Effect.succeed(rest), 100)
            })
          )
          assert.isAbove(taken.bytes, 0)
          assert.isBelow(taken.bytes, 8 * MiB)
        })),
      test("C9 a process that exits without reading neither hangs nor fails the caller", ({ exec }) =>
        Effect.gen(function* () {
          const { stream } = pieces(64 * MiB)
          const result = yield* exec.run(fixtures.deaf(3), { stdin: stream, timeout: "10 seconds" })
          assert.deepStrictEqual(result.status, { _tag: "Exited", code: 3 })
          assert.isFalse(result.timedOut)
          const text = yield* exec.run(fixtures.deaf(4), { stdin: "x".repeat(MiB), timeout: "10 seconds" })
          assert.strictEqual(text.exitCode, 4)
          const endless = yield* exec.run(fixtures.deaf(5), { stdin: Stream.never, timeout: "10 seconds" })
          assert.strictEqual(endless.exitCode, 5)
        })),
      test("C9 writing to a process that has closed its stdin is ProcessExited", ({ exec }) =>
        Effect.gen(function* () {
          const process = yield* exec.spawn(fixtures.closeStdin, { stdin: "open" })
          const seen = yield* follow(process.events)
          yield* seen.sees("READY\n")
          // The first writes may still go into a buffer on the way.
          const writing = Effect.forever(Effect.andThen(process.write("x".repeat(1000)), Effect.sleep(5)))
          yield* failsWith(writing, "ProcessExited")
          assert.isTrue(yield* process.isRunning)
        })),
      test("C9 an interrupted write loses nothing that was written before, and hangs nobody", ({ exec }) =>
        Effect.gen(function* () {
          const process = yield* exec.spawn(fixtures.hang, { stdin: "open" })
          const seen = yield* follow(process.events)
          yield* seen.sees("READY\n")
          const writing = yield* Effect.forkScoped(process.write(new Uint8Array(8 * MiB)))
          yield* Effect.sleep(20)
          yield* Fiber.interrupt(writing)
          yield* process.kill({ signal: "SIGKILL" })
          assert.strictEqual((yield* seen.ended).endedBy, "signal")
        }))
    ]),
    ...when(target.capabilities.stdin === "none", () => [
      test("C8 open stdin, declared absent, is Unsupported", ({ exec }) =>
        failsWith(collect(exec.stream(fixtures.cat, { stdin: Stream.empty })), "Unsupported"))
    ])
  ]
}
