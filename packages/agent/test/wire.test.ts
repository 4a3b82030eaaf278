/** The frames: golden vectors that the C tests use too, and laws that hold for all frames, splits and garbage. */
import * as Fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { Encoder } from "../src/internal/encoder.ts"
import { Framer } from "../src/internal/framer.ts"
import { decode, type Message } from "../src/internal/message.ts"
import * as Requests from "../src/internal/requests.ts"
import { encode, frame, hello, type Sent } from "./agentFrames.ts"

type Fields = Record<string, never> & { readonly command: number }
interface Vector {
  readonly kind: string
  readonly hex: string
  readonly fields: Fields
}
const vectors: { readonly client: ReadonlyArray<Vector>; readonly agent: ReadonlyArray<Vector> } = JSON.parse(
  Fs.readFileSync(new URL("vectors.json", import.meta.url), "utf8")
)

/** Everything that comes of some bytes, in the given pieces. */
const read = (pieces: ReadonlyArray<Uint8Array>) => {
  const got: Array<Sent> = []
  const framer = new Framer({
    output: (command, fd, bytes) => void got.push({ command, fd, bytes }),
    frame: (kind, command, payload) => {
      const message = decode(kind, payload)
      if (message === "malformed") return "malformed"
      if (message !== undefined) got.push({ command, message })
      return undefined
    }
  })
  let problem: string | undefined
  for (const piece of pieces) {
    // A buffer of its own that is overwritten afterwards, as a reader's is: what was borrowed must not be kept.
    const borrowed = new Uint8Array(piece)
    problem = framer.take(borrowed)
    borrowed.fill(0xaa)
  }
  framer.end()
  return { got, problem }
}

const tags: Readonly<Record<string, Message["_tag"]>> = {
  HELLO: "Hello",
  STARTED: "Started",
  FAILED: "Failed",
  STDIN_CREDIT: "StdinCredit",
  STDIN_CLOSED: "StdinClosed",
  EXIT: "Exit",
  DRAINED: "Drained",
  OUTPUT_ENDED: "OutputEnded",
  EMPTY: "Empty",
  CLOSED: "Closed",
  SIGNALED: "Signaled",
  HANDOVER: "Handover",
  RESULT: "Result",
  REFUSED: "Refused",
  PONG: "Pong",
  ERROR: "Error"
}

/** What the fields of a vector are here. */
const expected = ({ fields: { command, ...fields }, kind }: Vector): Sent => {
  const { bytes, discardedStderr, discardedStdout, magic: _, nanoseconds, offset, refused, result, ...rest } = fields
  if (kind === "STDOUT" || kind === "STDERR") {
    return { command, fd: kind === "STDOUT" ? 1 : 2, bytes: new Uint8Array(Buffer.from(bytes!, "hex")) }
  }
  const message = {
    _tag: tags[kind]!,
    ...rest,
    ...(bytes === undefined ? {} : { bytes }),
    ...(result === undefined ? {} : { result: new Uint8Array(Buffer.from(result, "hex")) }),
    ...(refused === undefined ? {} : { kind: refused }),
    ...(offset === undefined ? {} : { offset: BigInt(offset) }),
    ...(nanoseconds === undefined ? {} : { nanoseconds: BigInt(nanoseconds) }),
    ...(discardedStdout === undefined ? {} : { discardedStdout: BigInt(discardedStdout) }),
    ...(discardedStderr === undefined ? {} : { discardedStderr: BigInt(discardedStderr) })
  }
  return { command, message: message as Message }
}

const encodeVector = (to: Encoder, { fields: f, kind }: Vector): boolean | undefined => {
  switch (kind) {
    case "HELLO":
      return Requests.hello(to, f["features"]!)
    case "START":
      return Requests.start(to, f.command, {
        ...(f as unknown as Requests.Start),
        limits: (f["limits"]! as Array<{ resource: number; soft: string; hard: string }>).map((limit) => ({
          resource: limit.resource,
          soft: BigInt(limit.soft),
          hard: BigInt(limit.hard)
        }))
      })
    case "STDIN":
      return Requests.stdin(to, f.command, Buffer.from(f["bytes"]!, "hex"))
    case "STDIN_EOF":
      return Requests.stdinEof(to, f.command)
    case "CREDIT":
      return Requests.credit(to, f.command, f["stream"]!, f["bytes"]!)
    case "SIGNAL":
      return Requests.signal(to, f.command, f["request"]!, f["signal"]!, f["scope"]!)
    case "CLOSE_OUTPUT":
      return Requests.closeOutput(to, f.command, f["streams"]!)
    case "RESIZE":
      return Requests.resize(to, f.command, f["columns"]!, f["rows"]!)
    default:
      // This client has no use for it.
      return undefined
  }
}

describe("golden vectors", () => {
  it("every frame of the client is encoded to its bytes", () => {
    const seen = new Set<string>()
    for (const vector of vectors.client) {
      const to = new Encoder()
      if (encodeVector(to, vector) === undefined) continue
      seen.add(vector.kind)
      assert.strictEqual(Buffer.from(to.written).toString("hex"), vector.hex, vector.kind)
    }
    assert.strictEqual(seen.size, 8)
  })

  it("every frame of the agent is decoded to its fields, and these are encoded to its bytes", () => {
    for (const vector of vectors.agent) {
      const bytes = Buffer.from(vector.hex, "hex")
      const { got, problem } = read([bytes])
      assert.deepStrictEqual({ got, problem }, { got: [expected(vector)], problem: undefined }, vector.kind)
      assert.strictEqual(encode(got[0]!).toString("hex"), vector.hex)
    }
  })
})

const u32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
const Frame = Schema.Struct({
  command: u32,
  which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 })),
  number: u32,
  word: Schema.String.check(Schema.isPattern(/^[A-Z0-9]{0,12}$/)),
  size: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3000 }))
})

const toSent = ({ command, number, size, which, word }: typeof Frame.Type): Sent => {
  const bytes = Uint8Array.from({ length: size }, (_, i) => (i * 31 + number) & 0xff)
  const messages: ReadonlyArray<Message> = [
    hello,
    { _tag: "Started", pid: number },
    { _tag: "Failed", stage: number & 0xff, error: word },
    { _tag: "Exit", how: 1, flags: 0, value: number & 0xff, nanoseconds: BigInt(number) },
    { _tag: "Closed", discardedStdout: BigInt(number), discardedStderr: 0n },
    { _tag: "Signaled", request: number, count: size, error: word },
    { _tag: "Result", error: word, result: bytes },
    { _tag: "Drained" }
  ]
  const message = messages[which]
  return message === undefined ? { command, fd: which === 8 ? 1 : 2, bytes } : { command, message }
}

const frames = Arbitrary.array(Arbitrary.schema(Frame), { maxLength: 12 })
const cuts = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 700 }))), {
  minLength: 1,
  maxLength: 20
})

/** Cuts bytes into pieces of these sizes, again and again. */
const cut = (bytes: Uint8Array, sizes: ReadonlyArray<number>): Array<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    pieces.push(bytes.subarray(at, at + size))
    at += size
  }
  return pieces
}

describe("any frames", () => {
  it.prop("are read as they were written, wherever they are split", [frames, cuts], ([frames, sizes]) => {
    const sent = frames.map(toSent)
    const bytes = Buffer.concat(sent.map(encode))
    assert.deepStrictEqual(read([bytes]), { got: sent, problem: undefined })
    assert.deepStrictEqual(read(cut(bytes, sizes)), { got: sent, problem: undefined })
  })

  it("are read as they were written, byte by byte", () => {
    const sent = Array.from({ length: 10 }, (_, which) =>
      toSent({ command: which, which, number: which * 1000, word: "EIO", size: 20 })
    )
    assert.deepStrictEqual(read(cut(Buffer.concat(sent.map(encode)), [1])).got, sent)
  })

  it("what had arrived of output that is cut off is given", () => {
    const bytes = encode({ command: 7, fd: 2, bytes: Buffer.from("a last word") })
    for (let length = 13; length < bytes.length; length++) {
      const { got } = read([bytes.subarray(0, 14), bytes.subarray(14, length)])
      const arrived = Buffer.concat(got.map((one) => Buffer.from("bytes" in one ? one.bytes : [])))
      assert.strictEqual(arrived.toString(), "a last word".slice(0, Math.max(length, 14) - 12))
    }
  })
})

const garbage = Arbitrary.array(Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))), {
  maxLength: 400
})
const flips = Arbitrary.array(Arbitrary.schema(u32), { minLength: 1, maxLength: 4 })

describe("what is not the protocol", () => {
  it.prop("garbage is a problem or nothing, never an exception", [garbage, cuts], ([bytes, sizes]) => {
    const { problem } = read(cut(Uint8Array.from(bytes), sizes))
    assert.isTrue(problem === undefined || problem.length > 0)
  })

  it.prop("flipped bits neither throw nor change the frames before them", [frames, flips], ([frames, flips]) => {
    const sent = frames.map(toSent)
    const bytes = Buffer.concat(sent.map(encode))
    if (bytes.length === 0) return
    let first = bytes.length
    for (const flip of flips) {
      const at = flip % bytes.length
      bytes[at]! ^= 1 << (flip & 7)
      first = Math.min(first, at)
    }
    const { got } = read([bytes])
    let end = 0
    for (const [index, one] of sent.entries()) {
      end += encode(one).length
      if (end > first) break
      assert.deepStrictEqual(got[index], one)
    }
  })

  it("a problem is final: what comes after it is not read", () => {
    const bad = frame(0x89, 7, Buffer.from([1]))
    const { got, problem } = read([Buffer.concat([bad, encode({ command: 7, message: { _tag: "Empty" } })])])
    assert.deepStrictEqual({ got, problem }, { got: [], problem: "malformed" })
  })

  const start = encode({ command: 7, message: { _tag: "Failed", stage: 6, error: "ENOENT" } })
  for (const [what, bytes] of [
    ["a payload above the limit", frame(0x84, 7, new Uint8Array(65_537))],
    ["an unknown kind above the limit", frame(0x99, 7, new Uint8Array(65_537))],
    ["output of no bytes", frame(0x84, 7, new Uint8Array(0))],
    ["a missing byte", frame(0x82, 7, Buffer.from([1, 2, 3]))],
    ["a surplus byte", frame(0x82, 7, Buffer.from([1, 2, 3, 4, 5]))],
    ["a text without its NUL", Buffer.concat([start.subarray(0, -1), Buffer.from("x")])],
    [
      "an exit code of 256",
      encode({ command: 7, message: { _tag: "Exit", how: 1, flags: 0, value: 256, nanoseconds: 0n } })
    ],
    [
      "a death by signal 0",
      encode({ command: 7, message: { _tag: "Exit", how: 2, flags: 0, value: 0, nanoseconds: 0n } })
    ],
    [
      "reserved bytes of the header",
      Buffer.concat([frame(0x89, 7, new Uint8Array(0)).subarray(0, 11), Buffer.from([1])])
    ]
  ] as const) {
    it(`${what} is a problem`, () => {
      assert.isDefined(read([bytes]).problem)
    })
  }

  it("an unknown kind is passed over", () => {
    const known = { command: 7, message: { _tag: "Empty" } } as const
    assert.deepStrictEqual(read([Buffer.concat([frame(0x99, 7, Buffer.from("new")), encode(known)])]), {
      got: [known],
      problem: undefined
    })
  })
})

describe("what is too long", () => {
  const start = (argument: string): Requests.Start => ({
    flags: 0,
    stdoutCredit: 0,
    stderrCredit: 0,
    columns: 0,
    rows: 0,
    cwd: "",
    user: "",
    groups: [],
    limits: [],
    argv: ["echo", argument],
    env: []
  })

  it("is not written, and harms nothing that was", () => {
    const to = new Encoder()
    assert.isTrue(Requests.stdinEof(to, 1))
    assert.isFalse(Requests.start(to, 2, start("x".repeat(5_000_000))))
    assert.isTrue(Requests.stdinEof(to, 3))
    assert.strictEqual(to.length, 24)
    assert.strictEqual(to.written[16], 3)
  })

  it("text is encoded whole whatever was in the buffer before", () => {
    const to = new Encoder()
    Requests.start(to, 1, start("漢".repeat(100_000)))
    to.clear()
    Requests.start(to, 1, start("ä"))
    const fresh = new Encoder()
    Requests.start(fresh, 1, start("ä"))
    assert.deepStrictEqual(Buffer.from(to.written), Buffer.from(fresh.written))
  })
})
