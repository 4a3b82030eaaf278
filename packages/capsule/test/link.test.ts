/** Sessions over sockets that come and go: every message arrives exactly once and in order. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assert, describe, it } from "@effect/vitest"
import type { Connection } from "../src/Connection.ts"
import * as Frame from "../src/Frame.ts"
import { Link } from "../src/Link.ts"

/** One direction of a socket: frames on their way, in order, until it is cut. */
class Way implements Connection {
  readonly onTheWay: Array<string | Uint8Array> = []
  isCut = false

  send(frame: string | Uint8Array): void {
    if (!this.isCut) this.onTheWay.push(frame)
  }

  close(): void {
    this.isCut = true
  }
}

/** Two ends, and whatever the test makes of the sockets between them. */
class Pair {
  readonly received: readonly [Array<string>, Array<string>] = [[], []]
  readonly links: readonly [Link, Link]
  ways: [Way, Way] = [new Way(), new Way()]

  constructor() {
    const take = (end: 0 | 1) => (message: string | Frame.Frame) => {
      this.received[end].push(typeof message === "string" ? message : `${message.offset}`)
      return undefined
    }
    this.links = [new Link(take(0)), new Link(take(1))]
    this.connect()
  }

  /** A new socket: each end is told what the other has received, as Hello and Welcome do. */
  connect(): void {
    const [a, b] = this.links
    this.ways = [new Way(), new Way()]
    const counts = [a.receivedCount, b.receivedCount] as const
    assert.isUndefined(b.connected(this.ways[1], counts[0]))
    assert.isUndefined(a.connected(this.ways[0], counts[1]))
  }

  /** Everything on its way is lost. */
  cut(): void {
    for (const way of this.ways) way.isCut = true
    for (const link of this.links) link.disconnected()
  }

  /** The next frame that this end has sent arrives. */
  deliver(from: 0 | 1): void {
    const frame = this.ways[from].isCut ? undefined : this.ways[from].onTheWay.shift()
    if (frame !== undefined) assert.isUndefined(this.links[from === 0 ? 1 : 0].frame(frame))
  }

  deliverAll(): void {
    while (this.ways.some(({ onTheWay }) => onTheWay.length > 0)) {
      this.deliver(0)
      this.deliver(1)
    }
  }
}

const Step = Schema.Struct({
  what: Schema.Literals(["say", "say", "data", "data", "deliver", "deliver", "deliver", "cut"]),
  end: Schema.Literals([0, 1])
})

describe("Link", () => {
  it.effect.prop(
    "whatever is cut, every message arrives exactly once and in order",
    [Schema.Array(Step)],
    ([steps]) =>
      Effect.sync(() => {
        const pair = new Pair()
        const said: [Array<string>, Array<string>] = [[], []]
        let count = 0
        for (const { end, what } of steps) {
          switch (what) {
            case "say":
              said[end].push(`m${count}`)
              pair.links[end].send(`m${count++}`)
              break
            case "data":
              said[end].push(`${count}`)
              pair.links[end].sendData(Frame.encode(1, 1, count++, new Uint8Array(60_000)), () => {})
              break
            case "deliver":
              pair.deliver(end)
              break
            case "cut":
              pair.cut()
              pair.connect()
          }
        }
        pair.deliverAll()
        // A delayed acknowledgement may still hold the window: a new socket says how far both are.
        for (let round = 0; round < steps.length; round++) {
          pair.cut()
          pair.connect()
          pair.deliverAll()
        }
        // Data waits for room, so that what is said after it may go before it.
        const sorted = (all: ReadonlyArray<string>, of: RegExp) => all.filter((it) => of.test(it))
        for (const [from, to] of [
          [0, 1],
          [1, 0]
        ] as const) {
          for (const kind of [/^m/, /^\d/]) {
            assert.deepStrictEqual(sorted(pair.received[to], kind), sorted(said[from], kind))
          }
          assert.strictEqual(pair.links[from].givenCount, said[from].length)
        }
        for (const link of pair.links) link.disconnected()
      }),
    { arbitrary: { runs: 300 } }
  )

  it("sends data only as far as the window, and to those in turn who wait for it", () => {
    const pair = new Pair()
    const sent: Array<number> = []
    for (let n = 0; n < 40; n++) {
      if (pair.links[0].sendData(Frame.encode(1, 1 + (n % 4), n, new Uint8Array(65_536)), () => sent.push(n)))
        sent.push(n)
    }
    assert.isBelow(sent.length, 10)
    pair.deliverAll()
    assert.deepStrictEqual(
      sent,
      Array.from({ length: 40 }, (_, n) => n)
    )
    for (const link of pair.links) link.disconnected()
  })

  it("keeps what was not acknowledged, and no more", () => {
    const pair = new Pair()
    pair.links[0].send("x".repeat(100_000))
    assert.strictEqual(pair.links[0].keptBytes, 100_000)
    pair.deliverAll()
    assert.strictEqual(pair.links[0].keptBytes, 0)
    for (const link of pair.links) link.disconnected()
  })

  it("takes no acknowledgement of what was never sent", () => {
    const pair = new Pair()
    pair.links[0].send("one")
    assert.isString(pair.links[0].frame(Frame.encode(Frame.kinds.ack, 0, 2)))
    assert.isUndefined(pair.links[0].frame(Frame.encode(Frame.kinds.ack, 0, 1)))
    assert.isString(pair.links[0].frame(Frame.encode(Frame.kinds.ack, 0, 0)))
    pair.cut()
    assert.isString(pair.links[0].connected(new Way(), 7))
    for (const link of pair.links) link.disconnected()
  })

  it.effect.prop(
    "any frame is taken, or said to be wrong",
    [Schema.Union([Schema.Uint8Array, Schema.String])],
    ([frame]) =>
      Effect.sync(() => {
        const pair = new Pair()
        const problem = pair.links[0].frame(frame)
        assert.isTrue(problem === undefined || typeof problem === "string")
        pair.links[1].send("still here")
        pair.deliverAll()
        assert.include(pair.received[0], "still here")
        for (const link of pair.links) link.disconnected()
      })
  )
})
