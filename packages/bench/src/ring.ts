/**
 * The ring against `TypedArray.set`, and what idle rings cost.
 *
 * Everything runs in one process, interleaved in short slices, and only ratios of slices that ran next to each other
 * count: the machine may be busy.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { RingStorage } from "../../exec/src/internal/ringStorage.ts"
import { RingEffects } from "../../exec/src/internal/ringEffects.ts"
import * as RingBuffer from "../../exec/src/RingBuffer.ts"
import type { Bench, Row, Settings } from "./bench.ts"
import { collectGarbage } from "./memory.ts"

const capacity = 1 << 20
// A few times the capacity, so that a slice is steady state; and never so short that the clock matters.
const bytesPerSlice = (size: number) => (size <= 256 ? 16 << 20 : 256 << 20)

type Append = (fd: 1 | 2, bytes: Uint8Array) => void

// What the storage cannot be faster than: the same bytes into memory that is there, from the beginning again at its end.
const makeSet = (): Append => {
  const target = new Uint8Array(capacity)
  let at = 0
  return (_fd, bytes) => {
    if (at + bytes.length > capacity) at = 0
    target.set(bytes, at)
    at += bytes.length
  }
}

const makeRing = (): Append => {
  const ring = Effect.runSync(Scope.provide(RingBuffer.make({ capacity }), Scope.makeUnsafe()))
  return (fd, bytes) => void ring.appendUnsafe(fd, bytes)
}

const makeChunks = (): Append => {
  let chunks: Array<{ readonly fd: 1 | 2; readonly bytes: Uint8Array }> = []
  let first = 0
  let size = 0
  return (fd, bytes) => {
    chunks.push({ fd, bytes: bytes.slice() })
    size += bytes.length
    while (size > capacity) size -= chunks[first++]!.bytes.length
    if (first > 1024 && first * 2 > chunks.length) {
      chunks = chunks.slice(first)
      first = 0
    }
  }
}

const makeConcat = (): Append => {
  let held: Buffer = Buffer.alloc(capacity)
  return (_fd, bytes) => {
    held = Buffer.concat([held, bytes]).subarray(-capacity)
  }
}

const slice = (append: Append, bytes: Uint8Array, total: number, alternating: boolean): number => {
  const times = Math.ceil(total / bytes.length)
  const before = process.hrtime.bigint()
  for (let i = 0; i < times; i++) append(alternating && (i & 1) === 1 ? 2 : 1, bytes)
  return (times * bytes.length) / Number(process.hrtime.bigint() - before)
}

const append = (size: number, alternating: boolean, { rounds, scale }: Settings): Row => {
  const total = Math.max(4 * capacity, bytesPerSlice(size) * scale)
  const rates = { set: [] as Array<number>, ring: [] as Array<number>, chunks: [] as Array<number> }
  for (let round = -2; round < rounds; round++) {
    // Other memory in each round: how two buffers lie to each other moves the speed of a copy by a third.
    const bytes = new Uint8Array(size).fill(65)
    const [set, ring, chunks] = [makeSet(), makeRing(), makeChunks()]
    for (const warm of [set, ring, chunks]) slice(warm, bytes, 2 * capacity, alternating)
    const before = slice(set, bytes, total, alternating)
    const rate = slice(ring, bytes, total, alternating)
    // Again, so that a drift of the machine weighs on both sides of the ratio.
    const after = slice(set, bytes, total, alternating)
    const peer = slice(chunks, bytes, total, alternating)
    if (round < 0) continue
    rates.set.push((before + after) / 2)
    rates.ring.push(rate)
    rates.chunks.push(peer)
  }
  const bytes = new Uint8Array(size).fill(65)
  const concat = slice(makeConcat(), bytes, Math.min(total, 64 * size), alternating)
  return {
    path: `ring append, ${size} B${alternating ? ", alternating" : ""}`,
    unit: "GB/s",
    base: { subject: "set", values: rates.set },
    ours: [{ subject: "ring", values: rates.ring }],
    peers: [
      { subject: "array of copies", values: rates.chunks },
      // Once is enough for what is a thousand times as slow.
      { subject: "Buffer.concat", values: rates.set.map(() => concat) }
    ],
    ...(alternating ? {} : { targets: { ring: { atLeast: size < 256 ? 0.5 : 0.8 } } })
  }
}

const memory = (report: (row: Row) => void): void => {
  const count = 10_000
  const used = () => {
    // More than once: code that is not needed any more goes only after a few collections.
    for (let i = 0; i < 4; i++) collectGarbage()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  // All of them stay to the end: what a later collection frees of an earlier row would count against the later one.
  const all: Array<ReadonlyArray<unknown>> = []
  const each = (make: () => unknown): number => {
    const kept: Array<unknown> = Array.from({ length: count }, () => undefined)
    all.push(kept)
    const before = used()
    for (let i = 0; i < count; i++) kept[i] = make()
    return (used() - before) / count
  }
  each(() => ({ a: 1 }))
  const empty = each(() => ({ a: 1 }))
  const row = (path: string, make: () => unknown, atMost?: number): Row => ({
    path,
    unit: "B",
    base: { subject: "object", values: [empty] },
    ours: [{ subject: "ring", values: [each(make)] }],
    peers: [],
    of: "difference",
    ...(atMost === undefined ? {} : { targets: { ring: { atMost } } })
  })
  report(row("storage, idle", () => new RingStorage(capacity)))
  report(row("ring, idle", () => new RingEffects(capacity, "evict"), 250))
  const scope = Scope.makeUnsafe()
  const one = Effect.provideService(RingBuffer.make({ capacity }), Scope.Scope, scope)
  report(row("ring in one shared scope, idle", () => Effect.runSync(one)))
  report(
    row("ring in a scope of its own, idle", () =>
      Effect.runSync(Effect.provideService(RingBuffer.make({ capacity }), Scope.Scope, Scope.makeUnsafe()))
    )
  )
  const kilobyte = new Uint8Array(1000)
  const holding = () => {
    const ring = Effect.runSync(one)
    ring.appendUnsafe(1, kilobyte)
    return ring
  }
  report(row("ring that holds 1,000 B", holding, 2 * 1000 + 1024))
  if (all.length > 0) Effect.runSync(Scope.close(scope, Exit.void))
}

export const bench: Bench = {
  name: "ring",
  run: async (settings, report) => {
    for (const alternating of [false, true]) {
      for (const size of [16, 256, 4096, 65_536]) report(append(size, alternating, settings))
    }
    memory(report)
  }
}
