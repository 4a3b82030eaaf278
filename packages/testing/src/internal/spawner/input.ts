/**
 * Stdin: a stream, a sink, nothing; exact, with backpressure, and what becomes of a stream that fails.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { eventually } from "../suite/facts.ts"
import { encode } from "../web.ts"
import { broken, failsWith, output, sh, test, text, type Test } from "./kit.ts"

const MiB = 1024 * 1024
const words = Stream.make(encode("a "), encode("b"))
const mebibytes = (count: number) => Stream.map(Stream.rechunk(Stream.range(1, count), 1), () => new Uint8Array(MiB))

/** Stdin. */
export const inputs: ReadonlyArray<Test> = [
  test("a stream is what the command reads, to its end", function* () {
    assert.strictEqual(yield* output(sh("cat; echo .", [], { stdin: words })), "a b.\n")
    assert.strictEqual(yield* output(sh("cat", [], { stdin: { stream: words } })), "a b")
    assert.strictEqual(yield* output(sh("cat", [], { stdin: Stream.empty })), "")
  }),
  test("16 MiB arrive, as fast as they are read", function* () {
    const count = yield* output(sh("wc -c", [], { stdin: mebibytes(16) }))
    assert.strictEqual(Number(count), 16 * MiB)
  }),
  test("a command that does not read is no failure, and what it does not read holds nobody up", function* () {
    const handle = yield* sh("exit 6", [], { stdin: mebibytes(16) })
    assert.strictEqual(yield* handle.exitCode, 6)
  }),
  test("a stream that fails is how exitCode fails, at once; the command reads end-of-file", function* () {
    const stdin = Stream.concat(words, Stream.fail(broken))
    const handle = yield* sh("cat; exit 7", [], { stdin })
    assert.strictEqual(yield* Effect.flip(handle.exitCode), broken)
    assert.strictEqual(yield* text(handle.stdout), "a b")
    yield* eventually(
      "it has ended",
      Effect.map(handle.isRunning, (isRunning) => !isRunning)
    )
    assert.strictEqual(yield* Effect.flip(handle.exitCode), broken, "also once there is an exit code")
    const deaf = yield* sh("exec sleep 300", [], { stdin: Stream.fail(broken) })
    assert.strictEqual(yield* Effect.flip(deaf.exitCode), broken)
    assert.isTrue(yield* deaf.isRunning)
  }),
  test("by default stdin is open for the handle's sink, whose end is end-of-file", function* () {
    const handle = yield* sh("cat; echo .")
    yield* Stream.run(words, handle.stdin)
    assert.strictEqual(yield* text(handle.stdout), "a b.\n")
    assert.strictEqual(yield* handle.exitCode, 0)
  }),
  test("with endOnDone false it stays open for the next stream", function* () {
    const handle = yield* sh("head -c 6", [], { stdin: { stream: "pipe", endOnDone: false } })
    yield* Stream.run(words, handle.stdin)
    yield* Stream.run(words, handle.stdin)
    assert.strictEqual(yield* text(handle.stdout), "a ba b")
  }),
  test("a stream that fails into the sink is end-of-file", function* () {
    const handle = yield* sh("cat; echo .")
    const exit = yield* Effect.exit(Stream.run(Stream.concat(words, Stream.fail("broken")), handle.stdin))
    assert.deepStrictEqual(exit, Exit.fail("broken"))
    assert.strictEqual(yield* text(handle.stdout), "a b.\n")
  }),
  test("writing waits while the command does not read; interrupted, it is end-of-file", function* () {
    const handle = yield* sh("read -r line; cat >/dev/null; echo .")
    const writing = yield* Effect.forkChild(Stream.run(mebibytes(16), handle.stdin))
    yield* Effect.sleep(300)
    assert.isUndefined(writing.pollUnsafe())
    yield* Fiber.interrupt(writing)
    assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(writing)))
  }),
  test("ignore is end-of-file at once, and the sink takes what it is given", function* () {
    const handle = yield* sh("cat; echo .", [], { stdin: "ignore" })
    yield* Stream.run(words, handle.stdin)
    assert.strictEqual(yield* text(handle.stdout), ".\n")
  }),
  test("writing to a command that has ended fails", function* () {
    const handle = yield* sh("exit 0")
    yield* handle.exitCode
    const { reason } = yield* failsWith(Stream.run(mebibytes(4), handle.stdin), "Unknown")
    assert.strictEqual(reason.method, "fromWritable(stdin)")
  })
]
