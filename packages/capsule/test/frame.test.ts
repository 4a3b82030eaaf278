/** Binary frames: what is encoded is decoded, and what is not a frame is said to be none. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assert, describe, it } from "@effect/vitest"
import * as Frame from "../src/Frame.ts"
import { maxData } from "../src/Wire.ts"

const Offset = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Channel = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff_ffff }))

describe("Frame", () => {
  it.effect.prop(
    "what is encoded is decoded, wherever it lies in memory",
    [Schema.Literals([0, 1, 2]), Channel, Offset, Schema.Uint8Array.check(Schema.isMinLength(1))],
    ([kind, channel, offset, bytes]) =>
      Effect.sync(() => {
        const frame = Frame.encode(kind, channel, offset, bytes)
        const moved = new Uint8Array(frame.length + 3)
        moved.set(frame, 3)
        assert.deepStrictEqual(Frame.decode(moved.subarray(3)), {
          kind,
          channel,
          offset,
          bytes: moved.subarray(3 + Frame.headerSize)
        })
      })
  )

  it.effect.prop("any bytes are a frame, or said to be none", [Schema.Uint8Array], ([bytes]) =>
    Effect.sync(() => {
      const decoded = Frame.decode(bytes)
      if (typeof decoded === "string") return assert.match(decoded, /\S+ \S+/)
      assert.deepStrictEqual(Frame.encode(decoded.kind, decoded.channel, decoded.offset, decoded.bytes), bytes)
    })
  )

  it("says what is wrong", () => {
    const wrong = (frame: Uint8Array) => assert.isString(Frame.decode(frame))
    wrong(new Uint8Array(15))
    wrong(Frame.encode(7, 1, 0))
    wrong(Frame.encode(1, 1, 0))
    wrong(Frame.encode(1, 0, 0, new Uint8Array(1)))
    wrong(Frame.encode(1, 1, 0, new Uint8Array(maxData + 1)))
    wrong(Frame.encode(Frame.kinds.ack, 1, 0))
    wrong(Frame.encode(Frame.kinds.credit, 0, 0))
    wrong(Frame.encode(Frame.kinds.credit, 1, 0, new Uint8Array(1)))
    wrong(Frame.encode(Frame.kinds.ack, 0, 2 ** 53))
    const zero = Frame.encode(1, 1, 0, new Uint8Array(1))
    zero[2] = 1
    wrong(zero)
    assert.isObject(Frame.decode(Frame.encode(1, 1, 2 ** 53 - 1, new Uint8Array(maxData))))
  })
})
