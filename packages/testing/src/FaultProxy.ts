/**
 * A TCP proxy that breaks connections on purpose, to see what a client and its server make of it. It needs Node, so it
 * is not in the package's index.
 *
 * ```ts
 * import { connect, createServer } from "node:net"
 * import { Effect } from "effect"
 * import * as FaultProxy from "@effect-exec/testing/FaultProxy"
 *
 * const server = createServer((socket) => socket.on("error", () => {}).pipe(socket))
 * await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
 * const { port } = server.address() as { port: number }
 *
 * const program = Effect.gen(function* () {
 *   const proxy = yield* FaultProxy.make({ target: { port } })
 *   const client = connect(proxy.port, proxy.host)
 *   const echo = new Promise((resolve) => client.on("data", resolve))
 *   client.write("hello")
 *   yield* Effect.promise(() => echo)
 *   const closed = new Promise<string | undefined>((resolve) => client.on("error", ({ code }: NodeJS.ErrnoException) => resolve(code)))
 *   yield* proxy.cut("reset")
 *   return [yield* Effect.promise(() => closed), (yield* proxy.counters).toServer]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["ECONNRESET", 5]
 * server.close()
 * ```
 */
import { connect, createServer, type AddressInfo } from "node:net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import { Connection, type Shared, type Way } from "./internal/proxy/connection.ts"

/** Where connections lead to. */
export interface Target {
  /** `"127.0.0.1"` by default. */
  readonly host?: string
  readonly port: number
}

/** What the link is like in one direction. A part that is left out stays as it is. */
export interface Conditions {
  /** How long every byte is on its way; 0 at first. It takes nothing from the throughput (up to 64 MiB on the way). */
  readonly delay?: Duration.Input
  /** Bytes per second; `Infinity` at first. Bursts last 2 ms. */
  readonly rate?: number
  /** The most bytes that arrive at once; `Infinity` at first. One such piece leaves per turn of the event loop. */
  readonly chunk?: number
}

/** One direction, or both. */
export type Direction = "toServer" | "toClient" | "both"

/**
 * How a connection is broken.
 *
 * - `"reset"`: an RST to both sides. What was on its way is lost.
 * - `"end"`: a FIN to both sides, as from a peer that closes in order. What was on its way is lost all the same.
 * - `"hang"`: nothing at all happens, and nothing passes any more in either direction: half-open, as after a NAT forgot
 *   it. Neither side is told when the other one gives up. The sockets stay until a later cut, or the end of the scope.
 */
export type Cut = "reset" | "end" | "hang"

/** When connections are cut by chance. */
export interface Schedule {
  /** Each connection after so many bytes, both directions together: drawn anew for each from this range, evenly. */
  readonly bytes: readonly [min: number, max: number]
  /** How, drawn evenly from these. `["reset"]` by default. */
  readonly how?: readonly [Cut, ...ReadonlyArray<Cut>]
}

/** What passed, since the beginning. */
export interface Counters {
  /** Connections taken, the refused ones not counted. */
  readonly connections: number
  readonly refused: number
  /** Those that are open now. */
  readonly open: number
  /** Bytes handed on to the server. */
  readonly toServer: number
  /** Bytes handed on to the clients. */
  readonly toClient: number
  /** Connections that were cut, each counted as it was cut first. */
  readonly cuts: Readonly<Record<Cut, number>>
}

/** A proxy that breaks connections. Whatever the sockets do, it never fails; what it cannot reach, it resets. */
export interface FaultProxy {
  /** Where it listens: `"127.0.0.1"`. */
  readonly host: string
  readonly port: number
  /** What the random cuts are drawn from. Print it where a test fails. */
  readonly seed: string
  /** Changes the link for what arrives from now on, on all connections, those to come included. */
  readonly set: (conditions: Conditions, direction?: Direction) => Effect.Effect<void>
  /** Cuts all connections that are open, those that hang included, and says how many. New ones are taken as before. */
  readonly cut: (how: Cut) => Effect.Effect<number>
  /** Cuts each connection after a random number of bytes from now on; `undefined` stops that. */
  readonly cutEvery: (schedule: Schedule | undefined) => Effect.Effect<void>
  /**
   * Lets nothing pass until `heal`, also on connections to come: senders block as soon as their buffers are full, and
   * no end of a connection is seen on the other side. Nothing is lost.
   */
  readonly blackHole: (direction?: Direction) => Effect.Effect<void>
  /** Resets new connections at once until `heal`. */
  readonly refuse: Effect.Effect<void>
  /** Lifts `blackHole` and `refuse`: what was held back goes on its way. Conditions and schedule stay. */
  readonly heal: Effect.Effect<void>
  /** Leads new connections to another place, for example to a server that was started anew. */
  readonly retarget: (target: Target) => Effect.Effect<void>
  readonly counters: Effect.Effect<Counters>
}

/** How to make a proxy. */
export interface Options {
  readonly target: Target
  /** Of both directions, at first. */
  readonly conditions?: Conditions
  readonly cutEvery?: Schedule
  /** What the random cuts are drawn from; itself drawn at random by default. */
  readonly seed?: string
}

const waysOf = (direction: Direction): ReadonlyArray<Way> =>
  direction === "both" ? ["toServer", "toClient"] : [direction]

// A test that sets nonsense is a mistake in the test: it dies with what is wrong.
const check = <A>(name: string, value: A, isValid: (value: A) => boolean, expected: string): A => {
  if (!isValid(value)) throw new RangeError(`${name} of a FaultProxy has to be ${expected}; it is ${String(value)}`)
  return value
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 1

const resolve = ({ chunk, delay, rate }: Conditions) => ({
  ...(delay === undefined
    ? {}
    : {
        delay: Option.match(Duration.fromInput(delay), {
          onNone: () => check("The delay", Number.NaN, Number.isFinite, "a duration"),
          onSome: (it) => check("The delay", Duration.toMillis(it), (it) => it >= 0 && it < Infinity, "finite")
        })
      }),
  ...(rate === undefined ? {} : { rate: check("The rate", rate, (it) => it > 0, "more than 0 bytes per second") }),
  ...(chunk === undefined
    ? {}
    : { chunk: check("The chunk", chunk, (it) => it === Infinity || isCount(it), "a whole number of bytes") })
})

const checkSchedule = (schedule: Schedule | undefined): Schedule | undefined => {
  const [min, max] = schedule?.bytes ?? [1, 1]
  check("The range of bytes", [min, max], () => isCount(min) && isCount(max) && min <= max, "whole numbers, from 1 on")
  return schedule
}

/** Listens on a free port of 127.0.0.1 until the scope closes, which resets what is still open. */
export const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<FaultProxy, never, Scope.Scope> {
  const seed = options.seed ?? (yield* Random.nextIntBetween(0, 0xffff_ffff)).toString(16)
  const way = { delay: 0, rate: Infinity, chunk: Infinity, isBlackHole: false, ...resolve(options.conditions ?? {}) }
  const shared: Shared = {
    conditions: { toServer: way, toClient: way },
    schedule: checkSchedule(options.cutEvery),
    random: yield* Random.withSeed(Random.Random, seed),
    bytes: { toServer: 0, toClient: 0 },
    cuts: { reset: 0, end: 0, hang: 0 }
  }
  const open = new Set<Connection>()
  let { target } = options
  let isRefusing = false
  let connections = 0
  let refused = 0

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    // What happens on a socket is news for the other side, never an error of the proxy's.
    client.on("error", () => {})
    if (isRefusing) {
      refused++
      client.resetAndDestroy()
      return
    }
    connections++
    const upstream = connect({ host: "127.0.0.1", ...target, allowHalfOpen: true, noDelay: true })
    upstream.on("error", () => {})
    const made = new Connection(client, upstream, shared, () => open.delete(made))
    open.add(made)
    made.update()
  })

  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.on("error", (error) => resume(Effect.die(error)))
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const connection of open) connection.destroy()
      })
  )

  const change = (direction: Direction, changes: Partial<typeof way>) => {
    for (const way of waysOf(direction)) shared.conditions[way] = { ...shared.conditions[way], ...changes }
    for (const connection of open) connection.update()
  }

  return {
    host: "127.0.0.1",
    port: (server.address() as AddressInfo).port,
    seed,
    set: (conditions, direction = "both") => Effect.sync(() => change(direction, resolve(conditions))),
    cut: (how) =>
      Effect.sync(() => {
        const cut = Array.from(open)
        for (const connection of cut) connection.cut(how)
        return cut.length
      }),
    cutEvery: (schedule) =>
      Effect.sync(() => {
        shared.schedule = checkSchedule(schedule)
      }),
    blackHole: (direction = "both") => Effect.sync(() => change(direction, { isBlackHole: true })),
    refuse: Effect.sync(() => {
      isRefusing = true
    }),
    heal: Effect.sync(() => {
      isRefusing = false
      change("both", { isBlackHole: false })
    }),
    retarget: (to) =>
      Effect.sync(() => {
        target = to
      }),
    counters: Effect.sync(() => ({
      connections,
      refused,
      open: open.size,
      ...shared.bytes,
      cuts: { ...shared.cuts }
    }))
  }
})
