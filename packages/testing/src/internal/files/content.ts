/**
 * What is in files: written, appended, read, streamed; exact, and with exact modes.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { concat } from "../bytes.ts"
import { sameBytes } from "../suite/facts.ts"
import { encode } from "../web.ts"
import { test, type Test } from "./kit.ts"

const MiB = 1024 * 1024
const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index)
/** Bytes of which no two neighbourhoods are the same. */
const pattern = (size: number) => Uint8Array.from({ length: size }, (_, index) => (index * 2654435761) >>> 13)

const collected = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => Effect.map(Stream.runCollect(stream), concat)

/** Content. */
export const content: ReadonlyArray<Test> = [
  test("what was written is read, byte for byte", function* ({ at, fs }) {
    for (const bytes of [new Uint8Array(0), everyByte, pattern(300_001)]) {
      yield* fs.writeFile(at("f"), bytes)
      sameBytes(yield* fs.readFile(at("f")), bytes, `${bytes.length} bytes`)
    }
  }),
  test("text is UTF-8, and read in other encodings", function* ({ at, fs }) {
    yield* fs.writeFileString(at("f"), "ä 漢字 🎈\n")
    assert.strictEqual(yield* fs.readFileString(at("f")), "ä 漢字 🎈\n")
    yield* fs.writeFile(at("f"), Uint8Array.of(0xe4))
    assert.strictEqual(yield* fs.readFileString(at("f"), "latin1"), "ä")
  }),
  test("flags say what becomes of what was there", function* ({ at, fs }) {
    const after = (flag: "w" | "w+" | "a" | "a+" | "r+") =>
      Effect.gen(function* () {
        yield* fs.writeFileString(at("f"), "before")
        yield* fs.writeFileString(at("f"), "now", { flag })
        return yield* fs.readFileString(at("f"))
      })
    assert.deepStrictEqual(
      [yield* after("w"), yield* after("w+"), yield* after("a"), yield* after("a+"), yield* after("r+")],
      ["now", "now", "beforenow", "beforenow", "nowore"]
    )
  }),
  test("flags that create make a new file; the exclusive ones make nothing else", function* ({ at, fs }) {
    for (const flag of ["w", "wx", "wx+", "a", "ax", "ax+"] as const) {
      yield* fs.writeFileString(at(flag), flag, { flag })
      assert.strictEqual(yield* fs.readFileString(at(flag)), flag)
    }
  }),
  test("of many that create exclusively at once, one does", function* ({ at, fs }) {
    const attempt = (index: number) =>
      Effect.isSuccess(fs.writeFileString(at("lock"), String(index), { flag: "wx", mode: 0o600 }))
    const won = yield* Effect.forEach(
      Array.from({ length: 8 }, (_, index) => index),
      attempt,
      { concurrency: 8 }
    )
    assert.strictEqual(won.filter(Boolean).length, 1)
    assert.strictEqual(yield* fs.readFileString(at("lock")), String(won.indexOf(true)))
  }),
  test("a new file has the mode that it is given, less the umask; one that is there keeps its own", function* ({
    at,
    fs,
    modeOf
  }) {
    yield* fs.writeFileString(at("plain"), "")
    const umask = 0o666 & ~(yield* modeOf(at("plain")))
    for (const mode of [0o600, 0o640, 0o666, 0o755, 0o777, 0o400, 0o100]) {
      const path = at(mode.toString(8))
      yield* fs.writeFileString(path, "x", { mode })
      assert.strictEqual(yield* modeOf(path), mode & ~umask, mode.toString(8))
      const exclusive = at(`x${mode.toString(8)}`)
      yield* fs.writeFileString(exclusive, "x", { mode, flag: "wx" })
      assert.strictEqual(yield* modeOf(exclusive), mode & ~umask, `exclusive ${mode.toString(8)}`)
    }
    yield* fs.writeFileString(at("600"), "y", { mode: 0o777 })
    assert.strictEqual(yield* modeOf(at("600")), 0o600)
    assert.strictEqual(yield* fs.readFileString(at("600")), "y")
  }),
  test("writing through a symbolic link writes what it leads to", function* ({ at, fs }) {
    yield* fs.symlink(at("target"), at("link"))
    yield* fs.writeFileString(at("link"), "text")
    assert.strictEqual(yield* fs.readFileString(at("target")), "text")
  }),
  test("a stream gives a file in chunks of the size asked for", function* ({ at, fs }) {
    const bytes = pattern(150_000)
    yield* fs.writeFile(at("f"), bytes)
    const sizes = (chunkSize?: number) =>
      Effect.map(Stream.runCollect(fs.stream(at("f"), { chunkSize })), (chunks) => {
        sameBytes(concat(chunks), bytes, `in chunks of ${chunkSize}`)
        return chunks.map(({ length }) => length)
      })
    assert.deepStrictEqual(yield* sizes(), [65_536, 65_536, 18_928])
    assert.deepStrictEqual(yield* sizes(100_000), [100_000, 50_000])
    assert.deepStrictEqual(yield* sizes(75_000), [75_000, 75_000])
    assert.strictEqual((yield* sizes(7)).length, Math.ceil(150_000 / 7))
    assert.deepStrictEqual(yield* Stream.runCollect(fs.stream(at("f"), { chunkSize: 0 })), [])
  }),
  test("a stream begins at an offset, and ends after so many bytes", function* ({ at, fs }) {
    const bytes = pattern(200_000)
    yield* fs.writeFile(at("f"), bytes)
    for (const [offset, bytesToRead] of [
      [0, 1],
      [1, 2],
      [65_535, 70_000],
      [199_999, 10],
      [200_000, 10],
      [300_000, 10],
      [10, 0],
      [123_456, undefined]
    ] as const) {
      const got = yield* collected(fs.stream(at("f"), { offset, bytesToRead }))
      const expected = bytes.subarray(offset, bytesToRead === undefined ? undefined : offset + bytesToRead)
      sameBytes(got, expected, `${bytesToRead} from ${offset}`)
    }
  }),
  test("a stream that is ended early is no failure", function* ({ at, fs }) {
    yield* fs.writeFile(at("f"), new Uint8Array(4 * MiB))
    const first = yield* Stream.runCollect(Stream.take(fs.stream(at("f")), 1))
    assert.strictEqual(first[0]?.length, 65_536)
  }),
  test("a stream runs into a sink, of 8 MiB", function* ({ at, fs }) {
    const piece = pattern(MiB + 1)
    const source = Stream.map(Stream.rechunk(Stream.range(1, 8), 1), () => piece)
    yield* Stream.run(source, fs.sink(at("a")))
    yield* Stream.run(fs.stream(at("a")), fs.sink(at("b")))
    sameBytes(yield* fs.readFile(at("b")), concat(Array.from({ length: 8 }, () => piece)), "the copy")
  }),
  test("a sink has flags and modes as writeFile has", function* ({ at, fs, modeOf }) {
    yield* Stream.run(Stream.make(encode("a"), encode("b")), fs.sink(at("f"), { mode: 0o600 }))
    yield* Stream.run(Stream.make(encode("c")), fs.sink(at("f"), { flag: "a" }))
    assert.strictEqual(yield* fs.readFileString(at("f")), "abc")
    assert.strictEqual(yield* modeOf(at("f")), 0o600)
    yield* Stream.run(Stream.empty, fs.sink(at("f")))
    assert.strictEqual(yield* fs.readFileString(at("f")), "")
  }),
  test("a stream that fails on its way into a sink fails so, and the file keeps what was written", function* ({
    at,
    fs
  }) {
    const source = Stream.concat(Stream.make(encode("part")), Stream.fail("broken"))
    assert.strictEqual(yield* Effect.flip(Stream.run(source, fs.sink(at("f")))), "broken")
    assert.strictEqual(yield* fs.readFileString(at("f")), "part")
  }),
  test("truncate makes a file shorter, or longer with zeros", function* ({ at, fs }) {
    yield* fs.writeFileString(at("f"), "abcdef")
    yield* fs.truncate(at("f"), 3)
    assert.strictEqual(yield* fs.readFileString(at("f")), "abc")
    yield* fs.truncate(at("f"), 5)
    assert.strictEqual(yield* fs.readFileString(at("f")), "abc\0\0")
    yield* fs.truncate(at("f"))
    assert.strictEqual((yield* fs.stat(at("f"))).size, (yield* fs.stat("/dev/null")).size)
  })
]
