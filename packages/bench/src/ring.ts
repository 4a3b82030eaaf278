/**
 * The ring against `TypedArray.set`: `node packages/bench/src/ring.ts`.
 *
 * Everything runs in one process, interleaved in short slices, and only ratios of slices that ran next to each other
 * count: the machine may be busy.
 */
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { RingStorage } from "../../exec/src/internal/ringStorage.ts"
import { RingEffects } from "../../exec/src/internal/ringEffects.ts"
import * as RingBuffer from "../../exec/src/RingBuffer.ts"

const capacity = 1 << 20
const rounds = 11
// A few times the capacity, so that a slice is steady state; and never so short that the clock matters.
const bytesPerSlice = (size: number) => (size <= 256 ? 16 << 20 : 256 << 20)

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

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

const append = (size: number, alternating: boolean) => {
  const total = bytesPerSlice(size)
  const ratios: Array<number> = []
  const peers: Array<number> = []
  const rates: Array<number> = []
  for (let round = -2; round < rounds; round++) {
    // Other memory in each round: how two buffers lie to each other moves the speed of a copy by a third.
    const bytes = new Uint8Array(size).fill(65)
    const [set, ring, chunks] = [makeSet(), makeRing(), makeChunks()]
    for (const warm of [set, ring, chunks]) slice(warm, bytes, 2 * capacity, alternating)
    const base = slice(set, bytes, total, alternating)
    const rate = slice(ring, bytes, total, alternating)
    // Again, so that a drift of the machine weighs on both sides of the ratio.
    const after = slice(set, bytes, total, alternating)
    const peer = slice(chunks, bytes, total, alternating)
    if (round < 0) continue
    rates.push(rate)
    ratios.push((2 * rate) / (base + after))
    peers.push((2 * peer) / (base + after))
  }
  const bytes = new Uint8Array(size).fill(65)
  const concat =
    slice(makeConcat(), bytes, Math.min(total, 64 * size), alternating) / slice(makeSet(), bytes, total, alternating)
  console.log(
    `${String(size).padStart(6)} B ${alternating ? "alternating" : "one stream "}` +
      `  ring/set ${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})` +
      `  ${((median(rates) * 1e9) / 2 ** 30).toFixed(2)} GiB/s` +
      `  array of copies/set ${median(peers).toFixed(2)}  Buffer.concat/set ${concat.toFixed(4)}`
  )
}

const memory = () => {
  setFlagsFromString("--expose-gc")
  const gc = runInNewContext("gc") as () => void
  const count = 10_000
  const used = () => {
    gc()
    gc()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  // All of them stay to the end: what a later collection frees of an earlier row would count against the later one.
  const all: Array<ReadonlyArray<unknown>> = []
  const each = (name: string, make: () => unknown) => {
    const kept: Array<unknown> = Array.from({ length: count }, () => undefined)
    all.push(kept)
    const before = used()
    for (let i = 0; i < count; i++) kept[i] = make()
    console.log(`${name.padEnd(34)} ${((used() - before) / count).toFixed(0)} B`)
  }
  console.log(`\nmemory of each of ${count} rings of 1 MiB capacity`)
  each("an object with one field", () => ({ a: 1 }))
  each("storage, idle", () => new RingStorage(capacity))
  each("ring, idle", () => new RingEffects(capacity, "evict"))
  const scope = Scope.makeUnsafe()
  const one = Effect.provideService(RingBuffer.make({ capacity }), Scope.Scope, scope)
  each("ring in one shared scope, idle", () => Effect.runSync(one))
  each("ring in a scope of its own, idle", () =>
    Effect.runSync(Effect.provideService(RingBuffer.make({ capacity }), Scope.Scope, Scope.makeUnsafe()))
  )
  const kilobyte = new Uint8Array(1000)
  each("ring that holds 1,000 B", () => {
    const ring = Effect.runSync(one)
    ring.appendUnsafe(1, kilobyte)
    return ring
  })
  if (all.length > 0) Effect.runSync(Scope.close(scope, Exit.void))
}

console.log(`append in steady state into ${capacity} B, medians of ${rounds} interleaved rounds`)
for (const alternating of [false, true]) for (const size of [16, 256, 4096, 65_536]) append(size, alternating)
memory()
