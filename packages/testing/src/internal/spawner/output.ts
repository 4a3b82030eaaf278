/**
 * Output: exact, told apart, with backpressure, and what the helpers make of it.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { concat, toOctal } from "../bytes.ts"
import { sameBytes } from "../suite/facts.ts"
import { encode } from "../web.ts"
import { broken, output, sh, test, text, use, type Test } from "./kit.ts"

const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index)
const MiB = 1024 * 1024
const both = "echo out; echo err >&2"
const flood = `head -c ${MiB} /dev/zero; head -c ${MiB} /dev/zero >&2`

const bytes = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Effect.map(Stream.runCollect(stream), concat)

/** Gives the number of its bytes. */
const counted: Sink.Sink<Uint8Array, Uint8Array> = Sink.map(
  Sink.foldArray(
    () => 0,
    () => true,
    (sum, chunks: Arr.NonEmptyReadonlyArray<Uint8Array>) => Effect.succeed(sum + concat(chunks).length)
  ),
  (sum) => encode(`${sum} `)
)

/** Output. */
export const outputs: ReadonlyArray<Test> = [
  test("stdout and stderr are told apart", function* () {
    const handle = yield* sh(both)
    assert.deepStrictEqual(yield* Effect.all([text(handle.stdout), text(handle.stderr)], { concurrency: 2 }), [
      "out\n",
      "err\n"
    ])
  }),
  test("either can be read first", function* () {
    const handle = yield* sh(both)
    assert.strictEqual(yield* text(handle.stderr), "err\n")
    assert.strictEqual(yield* text(handle.stdout), "out\n")
  }),
  test("bytes arrive exactly, on either stream", function* () {
    const handle = yield* sh('printf %b "$1"; printf %b "$1" >&2', [toOctal(everyByte)])
    sameBytes(yield* bytes(handle.stdout), everyByte, "stdout")
    sameBytes(yield* bytes(handle.stderr), everyByte, "stderr")
  }),
  test("more than any pipe holds, on both at once", function* () {
    const handle = yield* sh(flood)
    const [out, err] = yield* Effect.all([bytes(handle.stdout), bytes(handle.stderr)], { concurrency: 2 })
    assert.deepStrictEqual([out.length, err.length], [MiB, MiB])
  }),
  test("all has both", function* () {
    const handle = yield* sh(both)
    const lines = (yield* text(handle.all)).split("\n").toSorted()
    assert.deepStrictEqual(lines, ["", "err", "out"])
  }),
  test("string and lines collect stdout, with includeStderr both", function* () {
    yield* use((spawner) =>
      Effect.gen(function* () {
        assert.strictEqual(yield* spawner.string(sh(both)), "out\n")
        assert.deepStrictEqual(yield* spawner.lines(sh("echo a; echo; printf b")), ["a", "", "b"])
        assert.deepStrictEqual((yield* spawner.lines(sh(both), { includeStderr: true })).toSorted(), ["err", "out"])
      })
    )
  }),
  test("streamString and streamLines give it as it comes", function* () {
    const stdin = Stream.concat(Stream.make(encode("first\n")), Stream.never)
    const line = yield* use((spawner) => Stream.runHead(spawner.streamLines(sh("cat", [], { stdin }))))
    assert.strictEqual(line._tag === "Some" ? line.value : undefined, "first")
    const all = yield* use((spawner) => Stream.mkString(spawner.streamString(sh("printf 'ä\\n漢'"))))
    assert.strictEqual(all, "ä\n漢")
  }),
  test("the helpers are not held up by output that they do not give", function* () {
    const got = yield* use((spawner) =>
      Effect.all([spawner.exitCode(sh(`${flood}; exit 3`)), spawner.string(sh(`${flood}; echo`))])
    )
    assert.deepStrictEqual([got[0], got[1].length], [3, MiB + 1])
  }),
  test("ignore gives nothing, and holds nothing up", function* () {
    const handle = yield* sh(`${flood}; exit 4`, [], { stdout: "ignore", stderr: "ignore" })
    assert.strictEqual(yield* handle.exitCode, 4)
    assert.strictEqual(yield* text(handle.all), "")
    const half = yield* sh(`${flood}; echo out; exit 5`, [], { stderr: { stream: "ignore" } })
    assert.strictEqual((yield* text(half.stdout)).length, MiB + 4)
    assert.strictEqual(yield* half.exitCode, 5)
  }),
  test("a sink transforms the output, while that is read", function* () {
    const handle = yield* sh(`head -c ${MiB} /dev/zero; echo err >&2`, [], {
      stdout: counted,
      stderr: { stream: counted }
    })
    assert.match(yield* text(handle.stdout), /^1048576 (0 )?$/)
    assert.match(yield* text(handle.stderr), /^4 (0 )?$/)
  }),
  test("all has what sinks make of both", function* () {
    const handle = yield* sh(both, [], { stdout: counted })
    assert.match((yield* text(handle.all)).replace("err\n", ""), /^4 (0 )?$/)
  }),
  test("a sink that fails is how the output fails, and all that reads it", function* () {
    const options = { stdout: Sink.fail(broken) }
    const handle = yield* sh("echo a; exec sleep 300", [], options)
    assert.strictEqual(yield* Effect.flip(text(handle.stdout)), broken)
    assert.strictEqual(yield* Effect.flip(text(handle.all)), broken)
    yield* use((spawner) =>
      Effect.gen(function* () {
        const command = sh("echo a; exec sleep 300", [], options)
        assert.strictEqual(yield* Effect.flip(spawner.exitCode(command)), broken)
        assert.strictEqual(yield* Effect.flip(spawner.string(command)), broken)
        assert.strictEqual(yield* Effect.flip(spawner.lines(command)), broken)
      })
    )
  }),
  test("what was read to its end is empty from then on", function* () {
    const handle = yield* sh(both)
    assert.deepStrictEqual([yield* text(handle.stdout), yield* text(handle.stdout)], ["out\n", ""])
  }),
  test("overlapped is a pipe", function* () {
    const handle = yield* sh("cat; echo err >&2", [], {
      stdin: "overlapped",
      stdout: "overlapped",
      stderr: { stream: "overlapped" }
    })
    yield* Stream.run(Stream.make(encode("in")), handle.stdin)
    assert.deepStrictEqual([yield* text(handle.stdout), yield* text(handle.stderr)], ["in", "err\n"])
  }),
  test("descriptors that nobody asked for take all, and give nothing", function* () {
    const handle = yield* sh("exit 0")
    yield* Stream.run(Stream.make(encode("x")), handle.getInputFd(3))
    assert.deepStrictEqual(yield* Stream.runCollect(handle.getOutputFd(3)), [])
  }),
  test("while nobody reads, the process waits; nothing is lost", function* () {
    const handle = yield* sh(`head -c ${16 * MiB} /dev/zero`)
    const first = yield* Stream.runCollect(Stream.take(handle.stderr, 1)).pipe(Effect.raceFirst(Effect.sleep(500)))
    assert.isUndefined(first)
    assert.isTrue(yield* handle.isRunning)
    assert.strictEqual((yield* bytes(handle.stdout)).length, 16 * MiB)
    assert.strictEqual(yield* handle.exitCode, 0)
  }),
  test("a character that is cut by a chunk is whole as text", function* () {
    assert.strictEqual(yield* output(sh("printf '\\303'; sleep 0.05; printf '\\244'")), "ä")
  })
]
