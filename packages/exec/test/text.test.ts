import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema, Stream } from "effect"
import * as Arbitrary from "effect/Arbitrary"
import { Exec, type ExecEvent } from "effect-exec"
import * as utf8 from "../src/internal/utf8.ts"

const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

// One to four bytes each, a character beyond the basic plane, line ends of both kinds.
const characters = ["a", "é", "€", "😀", "\n", "\r\n", " ", "\u{10FFFF}"]
const words = Arbitrary.map(Arbitrary.array(int(0, characters.length - 1), { maxLength: 40 }), (picks) =>
  picks.map((pick) => characters[pick]!).join("")
)

type Output = { readonly fd: 1 | 2; readonly bytes: Uint8Array }

const events = (outputs: ReadonlyArray<Output | "gap">): Stream.Stream<ExecEvent.ExecEvent> => {
  let offset = 0
  return Stream.fromIterable(
    outputs.map((output): ExecEvent.ExecEvent => {
      if (output === "gap") return { _tag: "Gap", from: offset, to: ++offset }
      const event = { _tag: output.fd === 1 ? ("Stdout" as const) : ("Stderr" as const), offset, bytes: output.bytes }
      offset += output.bytes.length
      return event
    })
  ).pipe(Stream.rechunk(1))
}

// Both texts cut into pieces of these sizes and interleaved, each in its own order.
const interleave = (stdout: string, stderr: string, sizes: ReadonlyArray<number>): ReadonlyArray<Output> => {
  const left = { 1: utf8.encode(stdout), 2: utf8.encode(stderr) }
  const outputs: Array<Output> = []
  for (let turn = 0; left[1].length + left[2].length > 0; turn++) {
    const size = sizes[turn % sizes.length]!
    const fd = size % 2 === 0 && left[2].length > 0 ? 2 : left[1].length > 0 ? 1 : 2
    outputs.push({ fd, bytes: left[fd].subarray(0, size) })
    left[fd] = left[fd].subarray(size)
  }
  return outputs
}

const collect = (stream: Stream.Stream<string>) => Effect.map(Stream.runCollect(stream), (parts) => parts.join(""))

describe("text", () => {
  it.effect.prop(
    "C22 any chunking of both streams gives the same text of each",
    { stdout: words, stderr: words, sizes: Arbitrary.array(int(1, 9), { minLength: 1, maxLength: 20 }) },
    ({ sizes, stderr, stdout }) =>
      Effect.gen(function* () {
        const all = events(interleave(stdout, stderr, sizes))
        assert.strictEqual(yield* collect(Exec.text(all, { of: "stdout" })), stdout)
        assert.strictEqual(yield* collect(Exec.text(all, { of: "stderr" })), stderr)
        const both = yield* collect(Exec.text(all))
        assert.strictEqual(both.length, stdout.length + stderr.length)
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop(
    "C22 any chunking gives the same lines, without their ends",
    { stdout: words, stderr: words, sizes: Arbitrary.array(int(1, 9), { minLength: 1, maxLength: 20 }) },
    ({ sizes, stderr, stdout }) =>
      Effect.gen(function* () {
        const all = events(interleave(stdout, stderr, sizes))
        const expected = stdout
          .split("\n")
          .map((line, index, lines) => (index < lines.length - 1 && line.endsWith("\r") ? line.slice(0, -1) : line))
        if (expected.at(-1) === "") expected.pop()
        assert.deepStrictEqual(yield* Stream.runCollect(Exec.lines(all, { of: "stdout" })), expected)
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect("C22 an invalid byte is U+FFFD once, and what follows is intact", () =>
    Effect.gen(function* () {
      const text = collect(
        Exec.text(
          events([
            { fd: 1, bytes: Uint8Array.from([0x61, 0xff, 0xe2]) },
            { fd: 1, bytes: Uint8Array.from([0x82, 0xac]) }
          ])
        )
      )
      assert.strictEqual(yield* text, "a\uFFFD€")
    })
  )

  it.effect("C22 a gap flushes the decoder, and the rest of a lost character is passed over", () =>
    Effect.gen(function* () {
      const euro = utf8.encode("€")
      const cut = [
        { fd: 1, bytes: Uint8Array.from([0x61, euro[0]!]) },
        "gap",
        { fd: 1, bytes: euro.subarray(1) },
        { fd: 1, bytes: utf8.encode("b") }
      ] as const
      assert.strictEqual(yield* collect(Exec.text(events(cut))), "a\uFFFDb")
    })
  )

  it.effect("C22 a line that is too long is split and marked, never within a character", () =>
    Effect.gen(function* () {
      const all = events([{ fd: 1, bytes: utf8.encode("abcdefg\nab😀d\nx") }])
      const lines = yield* Stream.runCollect(Exec.lines(all, { maxLength: 3, mark: "+" }))
      assert.deepStrictEqual(lines, ["abc+", "def+", "g", "ab+", "😀d", "x"])
    })
  )

  it.effect("C22 an endless line does not grow in memory", () =>
    Effect.gen(function* () {
      const piece = utf8.encode("x".repeat(65_536))
      const endless = Stream.forever(events([{ fd: 1, bytes: piece }]))
      const parts = yield* Exec.lines(endless).pipe(Stream.take(4), Stream.runCollect)
      assert.deepStrictEqual(
        parts.map((part) => part.length),
        Array.from({ length: 4 }, () => 1024 * 1024 + 1)
      )
    })
  )

  for (const maxLength of [0, -1, 1.5, Number.NaN]) {
    it.effect(`C22 a line cannot have ${maxLength} characters at the most`, () =>
      Effect.gen(function* () {
        // Without output, for what is taken for a length would split it for ever.
        const error = yield* Effect.flip(Stream.runDrain(Exec.lines(events([]), { maxLength })))
        assert.strictEqual(error.reason._tag, "InvalidCommand")
      })
    )
  }

  it.effect("C22 a character is whole even where a line has one at the most", () =>
    Effect.gen(function* () {
      const lines = Exec.lines(events([{ fd: 1, bytes: utf8.encode("a😀b\n😀\n😀") }]), { maxLength: 1, mark: "+" })
      assert.deepStrictEqual(yield* Stream.runCollect(lines), ["a+", "😀+", "b", "😀", "😀"])
    })
  )

  it.effect("C22 the end of a line does not count: one that just fits is not split, however it arrives", () =>
    Effect.gen(function* () {
      for (const parts of [["abcd\r\n"], ["abcd\r", "\n"], ["abcd", "\r\n"], ["abcd", "\r", "\n"], ["abcd\n"]]) {
        const all = events(parts.map((part) => ({ fd: 1, bytes: utf8.encode(part) })))
        assert.deepStrictEqual(yield* Stream.runCollect(Exec.lines(all, { maxLength: 4 })), ["abcd"])
      }
    })
  )

  it.effect("C22 a partial line is given before the failure of the events", () =>
    Effect.gen(function* () {
      const broken = Stream.concat(events([{ fd: 1, bytes: utf8.encode("one\npartial") }]), Stream.fail("lost"))
      const seen: Array<string> = []
      const failure = yield* Effect.flip(
        Stream.runForEach(Exec.lines(broken), (line) => Effect.sync(() => seen.push(line)))
      )
      assert.strictEqual(failure, "lost")
      assert.deepStrictEqual(seen, ["one", "partial"])
    })
  )

  it.effect("C22 what is left of a character is given before the failure of the events", () =>
    Effect.gen(function* () {
      const cut = events([{ fd: 1, bytes: Uint8Array.from([0x61, 0xe2, 0x82]) }])
      const seen: Array<string> = []
      const text = Exec.text(Stream.concat(cut, Stream.fail("lost")))
      const failure = yield* Effect.flip(Stream.runForEach(text, (part) => Effect.sync(() => seen.push(part))))
      assert.strictEqual(failure, "lost")
      assert.strictEqual(seen.join(""), "a\uFFFD")
    })
  )
})
