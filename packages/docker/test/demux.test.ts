/** The demultiplexer against a trivial model: however the bytes are cut, the same comes out. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { Demux } from "../src/internal/demux.ts"

interface Frame {
  readonly type: 1 | 2
  readonly payload: Uint8Array
}

const encode = (type: number, payload: Uint8Array): Uint8Array => {
  const bytes = new Uint8Array(8 + payload.length)
  bytes[0] = type
  new DataView(bytes.buffer).setUint32(4, payload.length)
  bytes.set(payload, 8)
  return bytes
}

const concat = (all: ReadonlyArray<Uint8Array>): Uint8Array => new Uint8Array(Buffer.concat(all))

// Cuts at these places, taken modulo the length; empty chunks included.
const split = (bytes: Uint8Array, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const places = cuts.map((cut) => Math.abs(cut) % (bytes.length + 1)).sort((a, b) => a - b)
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
}

const demux = (chunks: ReadonlyArray<Uint8Array>, options?: { readonly tty?: boolean }) => {
  const it = new Demux(options)
  const out: Record<1 | 2, Array<Uint8Array>> = { 1: [], 2: [] }
  const order: Array<number> = []
  for (const chunk of chunks) {
    it.push(chunk)
    for (let piece = it.next(); piece !== undefined; piece = it.next()) {
      if ("problem" in piece) return { out, order, broken: piece }
      assert.isAbove(piece.bytes.length, 0)
      assert.strictEqual(piece.bytes.buffer, chunk.buffer, "a view, not a copy")
      out[piece.fd].push(piece.bytes)
      if (order.at(-1) !== piece.fd) order.push(piece.fd)
    }
  }
  return { out, order, broken: it.end() }
}

const Bytes = Schema.Uint8Array
const frame = Arbitrary.all([Arbitrary.schema(Schema.Literals([1, 2])), Arbitrary.schema(Bytes)]).pipe(
  Arbitrary.map(([type, payload]): Frame => ({ type, payload }))
)
const frames = Arbitrary.array(frame, { maxLength: 20 })
const cuts = Arbitrary.array(Arbitrary.schema(Schema.Int), { maxLength: 40 })

describe("Demux", () => {
  it.effect.prop("frames cut anywhere give what was put in, in order", [frames, cuts], ([frames, cuts]) =>
    Effect.sync(() => {
      const { broken, order, out } = demux(
        split(concat(frames.map(({ payload, type }) => encode(type, payload))), cuts)
      )
      assert.isUndefined(broken)
      for (const fd of [1, 2] as const) {
        const expected = concat(frames.filter(({ type }) => type === fd).map(({ payload }) => payload))
        assert.deepStrictEqual(concat(out[fd]), expected)
      }
      const runs = frames.filter(({ payload }) => payload.length > 0).map(({ type }) => type)
      assert.deepStrictEqual(
        order,
        runs.filter((type, index) => type !== runs[index - 1])
      )
    })
  )

  it.effect.prop(
    "a stream cut off is whole, or says that it was cut",
    [frames, cuts, Schema.Int],
    ([frames, cuts, at]) =>
      Effect.sync(() => {
        const bytes = concat(frames.map(({ payload, type }) => encode(type, payload)))
        const length = Math.abs(at) % (bytes.length + 1)
        const ends = new Set(frames.reduce((ends, { payload }) => [...ends, ends.at(-1)! + 8 + payload.length], [0]))
        const { broken } = demux(split(bytes.subarray(0, length), cuts))
        if (ends.has(length)) assert.isUndefined(broken)
        else assert.strictEqual(broken?._tag, "Malformed")
      })
  )

  it.effect.prop("an error of the engine comes after all bytes before it", [frames, cuts], ([frames, cuts]) =>
    Effect.sync(() => {
      const words = new TextEncoder().encode("daemon is going away\r\n")
      const bytes = concat([...frames.map(({ payload, type }) => encode(type, payload)), encode(3, words)])
      const { broken, out } = demux(split(bytes, cuts))
      assert.deepStrictEqual(broken, { _tag: "EngineError", problem: "daemon is going away" })
      const expected = frames.reduce((sum, { payload }) => sum + payload.length, 0)
      assert.strictEqual(
        [...out[1], ...out[2]].reduce((sum, { length }) => sum + length, 0),
        expected
      )
    })
  )

  it.effect.prop("the stream of a terminal has no frames", [Bytes, cuts], ([bytes, cuts]) =>
    Effect.sync(() => {
      const { broken, out } = demux(split(bytes, cuts), { tty: true })
      assert.isUndefined(broken)
      assert.deepStrictEqual(concat(out[1]), bytes)
      assert.strictEqual(out[2].length, 0)
    })
  )

  it("what is no frame is said, and stays so", () => {
    const it = new Demux()
    it.push(new TextEncoder().encode("OCI runtime exec failed"))
    const broken = it.next()
    assert.isTrue(broken !== undefined && "problem" in broken && broken._tag === "Malformed")
    it.push(encode(1, new Uint8Array(3)))
    assert.strictEqual(it.next(), broken)
    assert.strictEqual(it.end(), broken)
  })

  it("a chunk of very many small frames costs time in proportion, and no stack", () => {
    const { broken, out } = demux([concat(Array.from({ length: 100_000 }, () => encode(1, new Uint8Array(1))))])
    assert.isUndefined(broken)
    assert.strictEqual(out[1].length, 100_000)
  })
})
