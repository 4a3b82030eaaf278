import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import * as utf8 from "../src/internal/utf8.ts"

const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

// The bytes at which UTF-8 decides anything, in every order.
const edges = [
  0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef,
  0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff
]
const anyBytes = Arbitrary.map(Arbitrary.array(int(0, edges.length - 1), { maxLength: 20 }), (picks) =>
  Uint8Array.from(picks, (pick) => edges[pick]!)
)

const count = (...all: Array<number>) => utf8.orphans(Uint8Array.from(all))

describe("utf8", () => {
  it.prop(
    "C22 keeping incomplete tails, any cut of any bytes decodes as the whole",
    { bytes: anyBytes, cuts: Arbitrary.array(int(0, 20), { maxLength: 5 }) },
    ({ bytes, cuts }) => {
      let text = ""
      let carried: Array<number> = []
      let from = 0
      for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
        const piece = Uint8Array.from([...carried, ...bytes.subarray(from, Math.max(from, cut))])
        from = Math.max(from, cut)
        const tail = utf8.incompleteTail(piece)
        assert.isAtMost(tail, 3)
        text += utf8.decode(piece.subarray(0, piece.length - tail))
        carried = Array.from(piece.subarray(piece.length - tail))
      }
      text += utf8.decode(Uint8Array.from(carried))
      assert.strictEqual(text, utf8.decode(bytes))
    },
    { arbitrary: { runs: 2000, size: 20 } }
  )

  it("C22 a tail is incomplete exactly if some character begins with it", () => {
    // All beginnings of up to three bytes, against the decoder's own opinion.
    for (const first of edges) {
      for (const second of [undefined, ...edges]) {
        for (const third of second === undefined ? [undefined] : [undefined, ...edges]) {
          const tail = Uint8Array.from([first, second, third].filter((byte) => byte !== undefined))
          const decoder = utf8.makeDecoder()
          const now = decoder.decode(tail, { stream: true })
          const kept = now + decoder.decode() === now ? 0 : 1
          assert.strictEqual(utf8.incompleteTail(tail) > 0 ? 1 : 0, kept, String(tail))
        }
      }
    }
  })

  it("orphans are at most three continuation bytes at the beginning", () => {
    assert.deepStrictEqual(
      [count(), count(0x41), count(0x80), count(0x80, 0x41), count(0x80, 0x80, 0x80, 0x80)],
      [0, 0, 1, 1, 3]
    )
    assert.strictEqual(count(0xe2, 0x82), 0)
  })

  it("C22 a byte order mark is a character, and an invalid byte is U+FFFD once", () => {
    assert.strictEqual(utf8.decode(utf8.encode("\uFEFFa")), "\uFEFFa")
    assert.strictEqual(utf8.decode(Uint8Array.from([0x41, 0xff, 0x42])), "A\uFFFDB")
  })
})
