/**
 * Every fault of the proxy, as two plain sockets see it.
 */
import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FaultProxy from "@effect-exec/testing/FaultProxy"

const listen = Effect.fnUntraced(function* (serve: (socket: Socket) => void) {
  const sockets = new Set<Socket>()
  const server: Server = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        serve(socket)
      })
      await once(server.listen(0, "127.0.0.1"), "listening")
      return server
    }),
    (server) =>
      Effect.promise(async () => {
        const closed = once(server.close(), "close")
        for (const socket of sockets) socket.destroy()
        await closed
      })
  )
  return (server.address() as AddressInfo).port
})

const echo = (socket: Socket) => void socket.pipe(socket)

/** What one end has seen. */
class Seen {
  readonly socket: Socket
  readonly chunks: Array<Buffer> = []
  readonly ends: Array<string> = []
  private readonly waiting = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    const tell = () => this.waiting.forEach((wake) => wake())
    socket.on("data", (bytes: Buffer) => {
      this.chunks.push(bytes)
      tell()
    })
    const end = (what: string) => {
      this.ends.push(what)
      tell()
    }
    socket.on("end", () => end("end"))
    socket.on("error", ({ code }: NodeJS.ErrnoException) => end(String(code)))
    socket.on("close", () => end("close"))
  }

  get bytes(): Buffer {
    return Buffer.concat(this.chunks)
  }

  until(fact: () => boolean) {
    return Effect.callback<void>((resume) => {
      const wake = () => {
        if (!fact()) return
        this.waiting.delete(wake)
        resume(Effect.void)
      }
      this.waiting.add(wake)
      wake()
      return Effect.sync(() => this.waiting.delete(wake))
    })
  }

  sees(count: number) {
    let seen = 0
    let at = 0
    return this.until(() => {
      for (; at < this.chunks.length; at++) seen += this.chunks[at]!.length
      return seen >= count
    })
  }

  sawEnd(what: string) {
    return this.until(() => this.ends.includes(what))
  }
}

const client = (proxy: FaultProxy.FaultProxy) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => connect({ host: proxy.host, port: proxy.port, allowHalfOpen: true })),
      (socket) => Effect.sync(() => socket.destroy())
    ),
    (socket) => new Seen(socket)
  )

/** A server that notes what it sees, a proxy before it, and a client of that. */
const through = Effect.fnUntraced(function* (
  options?: Omit<FaultProxy.Options, "target">,
  serve: (socket: Socket) => void = echo
) {
  const accepted = yield* Deferred.make<Seen>()
  const port = yield* listen((socket) => {
    Deferred.doneUnsafe(accepted, Effect.succeed(new Seen(socket)))
    serve(socket)
  })
  const proxy = yield* FaultProxy.make({ ...options, target: { port } })
  const first = yield* client(proxy)
  first.socket.write("a")
  const server = yield* Deferred.await(accepted)
  yield* server.sees(1)
  if (serve === echo) yield* first.sees(1)
  return { proxy, client: first, server }
})

const millis = <A>(effect: Effect.Effect<A>) => Effect.map(Effect.timed(effect), ([took]) => Duration.toMillis(took))

/** Waits until a number that had begun to grow stays as it is for a while. */
const standsStill = (read: () => number) =>
  Effect.promise(async () => {
    for (let before = 0, now = 0; now === 0 || now > before; now = read()) {
      before = now
      await sleep(200)
    }
  })

describe("FaultProxy", () => {
  it.live("without a fault passes on every byte, both half-closes, and the order", () =>
    Effect.gen(function* () {
      const { client, proxy, server } = yield* through()
      const bytes = randomBytes(8 * 1024 * 1024)
      client.socket.end(bytes)
      yield* client.sawEnd("end")
      assert.isTrue(client.bytes.subarray(1).equals(bytes))
      yield* server.sawEnd("close")
      assert.deepStrictEqual(server.ends, ["end", "close"])
      yield* client.sawEnd("close")
      const { cuts, ...rest } = yield* proxy.counters
      const total = bytes.length + 1
      assert.deepStrictEqual(rest, { connections: 1, refused: 0, open: rest.open, toServer: total, toClient: total })
      assert.deepStrictEqual(cuts, { reset: 0, end: 0, hang: 0 })
    })
  )

  it.live("tells one side of a reset by the other", () =>
    Effect.gen(function* () {
      const { client, server } = yield* through()
      server.socket.resetAndDestroy()
      yield* client.sawEnd("close")
      assert.deepStrictEqual(client.ends, ["ECONNRESET", "close"])
    })
  )

  it.live("resets a client whose server cannot be reached, and leads to another one when told", () =>
    Effect.gen(function* () {
      const { proxy } = yield* through()
      const gone = yield* Effect.scoped(listen(echo))
      yield* proxy.retarget({ port: gone })
      const lost = yield* client(proxy)
      yield* lost.sawEnd("ECONNRESET")
      yield* proxy.retarget({ port: yield* listen(echo) })
      const found = yield* client(proxy)
      found.socket.write("hi")
      yield* found.sees(2)
    })
  )

  it.live("cut reset is an RST to both sides; new connections work", () =>
    Effect.gen(function* () {
      const { client: first, proxy, server } = yield* through()
      assert.strictEqual(yield* proxy.cut("reset"), 1)
      yield* Effect.all([first.sawEnd("close"), server.sawEnd("close")])
      assert.deepStrictEqual(
        [first.ends, server.ends],
        [
          ["ECONNRESET", "close"],
          ["ECONNRESET", "close"]
        ]
      )
      const second = yield* client(proxy)
      second.socket.write("again")
      yield* second.sees(5)
      assert.strictEqual((yield* proxy.counters).cuts.reset, 1)
      assert.strictEqual((yield* proxy.counters).open, 1)
    })
  )

  it.live("cut end is a FIN to both sides, also while they write", () =>
    Effect.gen(function* () {
      const { client, proxy, server } = yield* through({}, () => {})
      client.socket.write(randomBytes(4 * 1024 * 1024))
      yield* proxy.cut("end")
      yield* Effect.all([client.sawEnd("end"), server.sawEnd("end")])
      server.socket.end()
      client.socket.end()
      yield* Effect.all([client.sawEnd("close"), server.sawEnd("close")])
      assert.deepStrictEqual(
        [client.ends, server.ends],
        [
          ["end", "close"],
          ["end", "close"]
        ]
      )
      assert.strictEqual((yield* proxy.counters).cuts.end, 1)
    })
  )

  it.live("cut hang leaves both sides without news for good, whatever the other does, but not new connections", () =>
    Effect.gen(function* () {
      const { client: first, proxy, server } = yield* through()
      yield* proxy.cut("hang")
      first.socket.write("into the void")
      server.socket.destroy()
      yield* proxy.heal
      const second = yield* client(proxy)
      second.socket.write("alive")
      yield* second.sees(5)
      assert.deepStrictEqual([first.bytes.toString(), first.ends], ["a", []])
      assert.strictEqual(server.bytes.toString(), "a")
      // Both still count; a later cut is felt by both.
      assert.strictEqual(yield* proxy.cut("reset"), 2)
      yield* Effect.all([first.sawEnd("ECONNRESET"), second.sawEnd("ECONNRESET")])
      assert.deepStrictEqual((yield* proxy.counters).cuts, { reset: 1, end: 0, hang: 1 })
    })
  )

  it.live("a black hole toServer passes the other direction only; heal loses nothing", () =>
    Effect.gen(function* () {
      const { client, proxy, server } = yield* through({}, () => {})
      yield* proxy.blackHole("toServer")
      client.socket.end("held")
      server.socket.write("passes")
      yield* client.sees(6)
      assert.deepStrictEqual([server.bytes.toString(), server.ends], ["a", []])
      yield* proxy.heal
      yield* server.sawEnd("end")
      assert.strictEqual(server.bytes.toString(), "aheld")
    })
  )

  it.live("a black hole blocks the sender, and takes new connections without a word", () =>
    Effect.gen(function* () {
      const { client: first, proxy, server } = yield* through({}, () => {})
      yield* proxy.blackHole()
      const bytes = randomBytes(32 * 1024 * 1024)
      let written = false
      first.socket.write(bytes, () => (written = true))
      const second = yield* client(proxy)
      second.socket.write("hello")
      yield* Effect.promise(() => sleep(100))
      assert.isFalse(written)
      assert.isBelow(first.socket.bytesWritten, 64 * 1024 * 1024)
      assert.strictEqual(server.bytes.length, 1)
      yield* proxy.heal
      yield* server.sees(bytes.length + 1)
      assert.isTrue(server.bytes.subarray(1).equals(bytes))
    })
  )

  it.live("delay adds a round trip, and changes no byte", () =>
    Effect.gen(function* () {
      const { client, proxy } = yield* through()
      yield* proxy.set({ delay: "25 millis" })
      const bytes = randomBytes(16 * 1024 * 1024)
      client.socket.write(bytes)
      assert.isAtLeast(yield* millis(client.sees(2)), 49)
      yield* client.sees(1 + bytes.length)
      assert.isTrue(client.bytes.subarray(1).equals(bytes))
    })
  )

  it.live("delay takes nothing from the throughput: 64 MiB may be on their way, but no more", () =>
    Effect.gen(function* () {
      const { client, proxy } = yield* through()
      yield* proxy.set({ delay: "1 hour" }, "toServer")
      const bytes = Buffer.alloc(1024 * 1024)
      let accepted = 0
      const write = () => void client.socket.write(bytes, () => accepted++ < 256 && write())
      write()
      yield* standsStill(() => accepted)
      assert.isAtLeast(accepted, 60)
      assert.isBelow(accepted, 96)
    })
  )

  it.live("delay can be of one direction", () =>
    Effect.gen(function* () {
      const { client, proxy, server } = yield* through({}, () => {})
      yield* proxy.set({ delay: "1 hour" }, "toClient")
      server.socket.write("late")
      client.socket.write("soon")
      yield* server.sees(5)
      assert.strictEqual(client.bytes.length, 0)
    })
  )

  it.live("rate limits the bytes per second, in small bursts, and blocks the sender", () =>
    Effect.gen(function* () {
      const { client, proxy, server } = yield* through({}, () => {})
      yield* proxy.set({ rate: 10e6 })
      client.socket.write(randomBytes(2e6))
      assert.isAtLeast(yield* millis(server.sees(2e6 + 1)), 190)
      assert.isAbove(server.chunks.length, 20)
    })
  )

  it.live("rate and delay together are a link: both are kept", () =>
    Effect.gen(function* () {
      const { client, proxy, server } = yield* through({}, () => {})
      yield* proxy.set({ rate: 20e6, delay: "100 millis" })
      client.socket.write(randomBytes(4e6))
      assert.isAtLeast(yield* millis(server.sees(4e6 + 1)), 290)
    })
  )

  it.live("chunk hands on that many bytes at once", () =>
    Effect.gen(function* () {
      const { client, proxy, server } = yield* through({ conditions: { chunk: 1 } }, () => {})
      const text = "a thousand small steps".repeat(20)
      client.socket.write(text)
      yield* server.sees(text.length + 1)
      assert.strictEqual(server.bytes.toString(), `a${text}`)
      // Two of them may still meet in a buffer of the kernel.
      assert.isAbove(server.chunks.length, text.length / 2)
      assert.isBelow(Math.max(...server.chunks.map(({ length }) => length)), 50)
      yield* proxy.set({ chunk: Infinity })
      client.socket.write(text)
      yield* server.sees(2 * text.length + 1)
    })
  )

  it.live("refuse resets new connections, and only these", () =>
    Effect.gen(function* () {
      const { client: first, proxy } = yield* through()
      yield* proxy.refuse
      const second = yield* client(proxy)
      yield* second.sawEnd("ECONNRESET")
      first.socket.write("still here")
      yield* first.sees(11)
      yield* proxy.heal
      const third = yield* client(proxy)
      third.socket.write("a")
      yield* third.sees(1)
      const { connections, refused } = yield* proxy.counters
      assert.deepStrictEqual({ connections, refused }, { connections: 2, refused: 1 })
    })
  )

  it.live("a slow receiver holds the sender: memory stays bounded", () =>
    Effect.gen(function* () {
      const { client, server } = yield* through({ conditions: { delay: "1 millis" } }, () => {})
      server.socket.pause()
      const bytes = Buffer.alloc(1024 * 1024)
      let accepted = 0
      const write = () => void client.socket.write(bytes, () => accepted++ < 256 && write())
      write()
      yield* standsStill(() => accepted)
      assert.isBelow(accepted, 64)
      server.socket.resume()
      yield* server.sees(64 * 1024 * 1024)
    })
  )

  const cutting = (seed: string) =>
    Effect.gen(function* () {
      const { proxy } = yield* through({ seed, cutEvery: { bytes: [1000, 50_000], how: ["reset", "end"] } })
      assert.strictEqual(proxy.seed, seed)
      const lengths: Array<number> = []
      for (let time = 0; time < 10; time++) {
        const before = (yield* proxy.counters).toServer
        const one = yield* client(proxy)
        // One way only, so that nothing but the seed says where the cut is.
        yield* proxy.blackHole("toClient")
        one.socket.write(Buffer.alloc(100_000))
        yield* one.until(() => one.ends.length > 0)
        lengths.push((yield* proxy.counters).toServer - before)
      }
      const { cuts } = yield* proxy.counters
      assert.strictEqual(cuts.reset + cuts.end, 10)
      return { lengths, cuts }
    }).pipe(Effect.scoped)

  it.live("cutEvery cuts each connection after a random number of bytes, the same for the same seed", () =>
    Effect.gen(function* () {
      const first = yield* cutting("one")
      for (const length of first.lengths) assert.isTrue(length >= 1000 && length <= 50_000, `cut after ${length}`)
      assert.isAbove(new Set(first.lengths).size, 5)
      assert.deepStrictEqual(yield* cutting("one"), first)
      assert.notDeepEqual(yield* cutting("another"), first)
    })
  )

  it.live("dies with what is wrong where a test sets nonsense", () =>
    Effect.gen(function* () {
      const { proxy } = yield* through()
      for (const wrong of [
        proxy.set({ rate: 0 }),
        proxy.set({ chunk: 1.5 }),
        proxy.set({ delay: -1 }),
        proxy.cutEvery({ bytes: [10, 1] })
      ]) {
        const exit = yield* Effect.exit(wrong)
        assert.include(String(exit), "has to be")
      }
    })
  )

  it.live("closing the scope resets what is open, and frees the port", () =>
    Effect.gen(function* () {
      const port = yield* listen(echo)
      const proxy = yield* Effect.scoped(
        Effect.gen(function* () {
          const proxy = yield* FaultProxy.make({ target: { port }, conditions: { delay: "1 hour" } })
          const one = yield* client(proxy)
          one.socket.write("never arrives")
          yield* Effect.promise(() => once(one.socket, "connect"))
          return proxy
        })
      )
      const late = yield* client(proxy)
      yield* late.sawEnd("ECONNREFUSED")
    })
  )
})
