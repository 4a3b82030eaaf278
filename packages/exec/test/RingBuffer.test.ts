import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Pull from "effect/Pull"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Closed, type ExecError, InvalidCommand } from "../src/ExecError.ts"
import type { Overflow } from "../src/ExecOptions.ts"
import { RingEffects } from "../src/internal/ringEffects.ts"
import { makeReader } from "../src/internal/ringText.ts"
import { decode, encode } from "../src/internal/utf8.ts"
import * as RingBuffer from "../src/RingBuffer.ts"

type Item = RingBuffer.Chunk | RingBuffer.Gap

const int = (minimum: number, maximum: number) =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const settle = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, { discard: true })

const show = (items: ReadonlyArray<Item>) =>
  items.map((item) =>
    "to" in item ? `gap ${item.from}..${item.to}` : `${item.fd}@${item.offset} ${decode(item.bytes)}`
  )

const reasonOf = <A>(effect: Effect.Effect<A, ExecError>) => Effect.map(Effect.flip(effect), (error) => error.reason)

/** The law, byte by byte: nothing here is circular, grows, or handles more than one byte at a time. */
class Model {
  readonly all: Array<{ readonly fd: 1 | 2; readonly byte: number; fate: "left" | "taken" | "evicted" }> = []
  readonly capacity: number
  readonly overflow: Overflow
  start = 0
  cursor = 0
  ended = false
  closed = false
  holders: Array<{ at: number }> = []
  writers: Array<{ readonly fd: 1 | 2; readonly bytes: Uint8Array; at: number }> = []

  constructor(capacity: number, overflow: Overflow) {
    this.capacity = capacity
    this.overflow = overflow
  }

  get end() {
    return this.all.length
  }

  count(fate: "left" | "taken" | "evicted") {
    return this.all.filter((byte) => byte.fate === fate).length
  }

  items(from: number, to: number): Array<Item> {
    const items: Array<{ _tag: "Chunk"; fd: 1 | 2; offset: number; bytes: Array<number> }> = []
    for (let offset = from; offset < to; offset++) {
      const { fd, byte } = this.all[offset]!
      const last = items.at(-1)
      if (last?.fd === fd) last.bytes.push(byte)
      else items.push({ _tag: "Chunk", fd, offset, bytes: [byte] })
    }
    return items.map((item) => ({ ...item, bytes: Uint8Array.from(item.bytes) }))
  }

  /** The number of bytes that went in, from this one on. */
  write(fd: 1 | 2, bytes: Uint8Array, from: number): number {
    for (let at = from; at < bytes.length; at++) {
      while (!this.fits(fd)) {
        if (this.overflow === "block" && this.start >= this.limit()) return at - from
        this.leave(this.overflow === "block" ? "taken" : "evicted")
      }
      this.all.push({ fd, byte: bytes[at]!, fate: "left" })
    }
    return bytes.length - from
  }

  offer(fd: 1 | 2, bytes: Uint8Array): number {
    if (this.ended || this.closed) return 0
    return this.writers.length > 0 ? 0 : this.write(fd, bytes, 0)
  }

  pump() {
    for (;;) {
      const writer = this.writers[0]
      if (writer === undefined) return
      writer.at += this.write(writer.fd, writer.bytes, writer.at)
      if (writer.at < writer.bytes.length) return
      this.writers.shift()
    }
  }

  take() {
    while (this.cursor < this.end) this.all[this.cursor++]!.fate = "taken"
    this.start = Math.max(this.start, this.limit())
    this.pump()
  }

  clear() {
    if (this.closed) return
    while (this.cursor < this.end) this.all[this.cursor++]!.fate = "evicted"
    this.start = this.end
    this.pump()
  }

  advance(reader: { at: number }): Array<Item> {
    const items: Array<Item> = []
    if (reader.at < this.start) {
      items.push({ _tag: "Gap", from: reader.at, to: this.start })
      reader.at = this.start
    }
    if (reader.at < this.end) {
      items.push(...this.items(reader.at, this.end))
      reader.at = this.end
    }
    this.pump()
    return items
  }

  unhold(reader: { at: number }) {
    this.holders = this.holders.filter((other) => other !== reader)
    this.start = Math.max(this.start, Math.min(this.limit(), this.cursor))
    this.pump()
  }

  private limit() {
    return this.holders.length === 0 ? this.cursor : Math.min(this.end, ...this.holders.map((reader) => reader.at))
  }

  private leave(fate: "taken" | "evicted") {
    if (this.start === this.cursor) this.all[this.cursor++]!.fate = fate
    this.start++
  }

  private fits(fd: 1 | 2) {
    const held = this.all.slice(this.start)
    const fds = [...held.map((byte) => byte.fd), fd]
    const switches = fds.filter((other, i) => i > 0 && other !== fds[i - 1]).length
    const changes = held.length > 0 && held.at(-1)!.fd !== fd
    return held.length < this.capacity && !(changes && switches > Math.max(16, Math.floor(this.capacity / 64)))
  }
}

// The same byte at 256 later would hide a shift by that much.
const pattern = (from: number, length: number) =>
  Uint8Array.from({ length }, (_, i) => (Math.imul(from + i + 1, 2654435761) >>> 13) & 0xff)

const command = Arbitrary.all({ kind: int(0, 99), fd: int(1, 2), size: int(0, 99), pick: int(0, 9) })

interface RealReader {
  readonly scope: Scope.Closeable
  readonly pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Item>, ExecError>
  readonly model: { at: number }
  pending: Fiber.Fiber<Arr.NonEmptyReadonlyArray<Item>, ExecError | Cause.Done> | undefined
}

const follows = (
  overflow: Overflow,
  capacity: number,
  commands: ReadonlyArray<{ kind: number; fd: number; size: number; pick: number }>
) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const ring = (yield* Scope.provide(RingBuffer.make({ capacity, overflow }), scope)) as RingEffects
    const model = new Model(capacity, overflow)
    let sent = 0
    let readers: Array<RealReader> = []
    // In the order in which they began to wait: that is the order in which they are woken.
    let waiting: Array<RealReader> = []
    let appends: Array<{
      readonly fiber: Fiber.Fiber<void, ExecError>
      readonly writer: (typeof model.writers)[number]
      readonly length: number
    }> = []

    const check = Effect.gen(function* () {
      yield* settle
      for (const reader of waiting) {
        const exit = reader.pending!.pollUnsafe()
        if (model.ended && reader.model.at >= model.end) {
          assert.isTrue(exit !== undefined && Exit.isFailure(exit), "the reader is at the end")
          assert.isTrue(
            Exit.isFailure(exit!) && exit.cause.reasons.some((r) => Cause.isFailReason(r) && Cause.isDone(r.error))
          )
          reader.pending = undefined
        } else if (model.closed) {
          assert.isTrue(exit !== undefined && Exit.isFailure(exit), "the ring was closed")
          assert.include(String(Cause.squash((exit as Exit.Failure<never, ExecError>).cause)), "ring buffer was closed")
          reader.pending = undefined
        } else if (reader.model.at < model.end) {
          assert.isTrue(exit !== undefined && Exit.isSuccess(exit), "the reader is woken")
          assert.deepStrictEqual(
            (exit as Exit.Success<Arr.NonEmptyReadonlyArray<Item>>).value as ReadonlyArray<Item>,
            model.advance(reader.model)
          )
          reader.pending = undefined
        } else assert.isUndefined(exit, "the reader waits")
      }
      waiting = waiting.filter((reader) => reader.pending !== undefined)
      for (const append of appends) {
        const exit = append.fiber.pollUnsafe()
        if (append.writer.at === append.length)
          assert.isTrue(exit !== undefined && Exit.isSuccess(exit), "the writer went on")
        else if (model.ended || model.closed)
          assert.isTrue(exit !== undefined && Exit.isFailure(exit), "the writer was refused")
        else assert.isUndefined(exit, "the writer waits")
      }
      appends = appends.filter((append) => append.fiber.pollUnsafe() === undefined)
      const { storage } = ring
      assert.strictEqual(yield* ring.endOffset, model.end, "end")
      assert.strictEqual(yield* ring.size, model.count("left"), "size")
      assert.strictEqual(yield* ring.evicted, model.count("evicted"), "evicted")
      assert.strictEqual(yield* ring.taken, model.count("taken"), "taken")
      assert.isAtMost(storage.size, capacity, "capacity")
      assert.isAtMost(storage.runs.count, storage.maxTurns, "records")
      if (!model.closed) {
        const left = yield* ring.peekWith((held) => held)
        assert.deepStrictEqual(left.chunks as Array<Item>, model.items(model.cursor, model.end))
        const before = model.all.slice(0, model.cursor)
        assert.strictEqual(left.stdoutBefore, before.filter((byte) => byte.fd === 1).length, "stdout before")
        assert.strictEqual(left.stderrBefore, before.filter((byte) => byte.fd === 2).length, "stderr before")
      } else assert.strictEqual(storage.allocated, 0, "memory")
    })

    const closeReader = (reader: RealReader) =>
      Effect.gen(function* () {
        if (reader.pending !== undefined) yield* Fiber.interrupt(reader.pending)
        yield* Scope.close(reader.scope, Exit.void)
        waiting = waiting.filter((other) => other !== reader)
        readers = readers.filter((other) => other !== reader)
        if (model.closed) model.holders = []
        else model.unhold(reader.model)
      })

    for (const { kind, fd: anyFd, size, pick } of commands) {
      const fd = anyFd as 1 | 2
      const reader = readers[pick % Math.max(1, readers.length)]
      if (kind < 45) {
        const length = [0, 1, 2, 3, size % (capacity + 1), capacity, capacity + 1, capacity + size, 1, 1][pick]!
        const bytes = pattern(sent, length)
        sent += length
        if (kind < 15) assert.strictEqual(ring.appendUnsafe(fd, bytes), model.offer(fd, bytes), "appendUnsafe")
        else if (model.ended || model.closed) {
          assert.instanceOf(yield* reasonOf(ring.append(fd, bytes)), Closed)
        } else {
          const writer = { fd, bytes, at: model.offer(fd, bytes) }
          if (writer.at < bytes.length) model.writers.push(writer)
          const fiber = yield* Effect.forkChild(ring.append(fd, bytes), { startImmediately: true })
          appends.push({ fiber, writer, length })
        }
      } else if (kind < 57) {
        if (model.closed) assert.instanceOf(yield* reasonOf(ring.take), Closed)
        else {
          assert.deepStrictEqual((yield* ring.take) as Array<Item>, model.items(model.cursor, model.end))
          model.take()
        }
      } else if (kind < 69) {
        const at = Math.max(0, model.end - capacity - 4 + size)
        const holds = overflow === "block" && pick < 5
        const readerScope = yield* Scope.make()
        const pull = yield* Scope.provide(Stream.toPull(ring.from(at, { lag: holds ? "block" : "skip" })), readerScope)
        const opened: RealReader = { scope: readerScope, pull, model: { at }, pending: undefined }
        readers.push(opened)
        if (holds) model.holders.push(opened.model)
        model.pump()
      } else if (kind < 86 && reader !== undefined) {
        if (reader.pending !== undefined) continue
        const ready = reader.model.at < model.end && !model.closed
        reader.pending = yield* Effect.forkChild(reader.pull, { startImmediately: true })
        if (ready) {
          const exit = reader.pending.pollUnsafe() as Exit.Success<Arr.NonEmptyReadonlyArray<Item>>
          assert.deepStrictEqual(exit?.value as ReadonlyArray<Item>, model.advance(reader.model))
          reader.pending = undefined
        } else waiting.push(reader)
      } else if (kind < 91 && reader !== undefined) yield* closeReader(reader)
      else if (kind < 94 && appends.length > 0) {
        const append = appends[pick % appends.length]!
        yield* Fiber.interrupt(append.fiber)
        model.writers = model.writers.filter((writer) => writer !== append.writer)
        appends = appends.filter((other) => other !== append)
        model.pump()
      } else if (kind < 97) {
        yield* ring.clear
        model.clear()
      } else if (kind === 98) {
        yield* ring.end
        if (!model.closed) model.ended = true
        model.writers = []
      } else if (kind === 99) {
        yield* Scope.close(scope, Exit.void)
        model.writers = []
        model.clear()
        model.closed = true
      }
      yield* check
    }
    yield* Scope.close(scope, Exit.void)
    model.writers = []
    model.clear()
    model.closed = true
    yield* check
    for (const reader of readers) yield* closeReader(reader)
  })

const runs = { arbitrary: { runs: 300, size: 60 }, timeout: 60_000 }
const capacities = Arbitrary.map(Arbitrary.all([int(1, 60), int(0, 9)]), ([small, pick]) => (pick === 0 ? 1300 : small))

describe("RingBuffer", () => {
  for (const overflow of ["evict", "block"] as const) {
    it.effect.prop(
      `C32 C36 C37 follows the byte-by-byte model: ${overflow}`,
      { capacity: capacities, commands: Arbitrary.array(command, { minLength: 1, maxLength: 60 }) },
      ({ capacity, commands }) => follows(overflow, capacity, commands),
      runs
    )

    it.effect.prop(
      `keeps the number of changes between the streams bounded: ${overflow}`,
      { capacity: int(30, 60), kinds: Arbitrary.array(int(0, 9), { minLength: 40, maxLength: 90 }) },
      ({ capacity, kinds }) =>
        follows(
          overflow,
          capacity,
          kinds.map((kind, i) => ({ kind: kind === 0 ? 50 : 20, fd: 1 + (i % 2), size: 0, pick: 1 }))
        ),
      { arbitrary: { runs: 50 }, timeout: 60_000 }
    )
  }

  it.effect("C32 keeps both streams in observed order, and its last bytes", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 8 })
      yield* ring.append(1, encode("abc"))
      yield* ring.append(2, encode("DEF"))
      yield* ring.append(1, encode("ghi"))
      assert.deepStrictEqual(show(yield* ring.peek), ["1@1 bc", "2@3 DEF", "1@6 ghi"])
      assert.deepStrictEqual(show(yield* ring.take), ["1@1 bc", "2@3 DEF", "1@6 ghi"])
      assert.deepStrictEqual(show(yield* ring.take), [])
      yield* ring.append(2, encode("0123456789"))
      assert.deepStrictEqual(show(yield* ring.peek), ["2@11 23456789"])
      assert.strictEqual(yield* ring.evicted, 3)
      assert.strictEqual(yield* ring.taken, 8)
      assert.strictEqual(yield* ring.size, 8)
      assert.strictEqual(yield* ring.endOffset, 19)
    })
  )

  it.effect("C36 replays, follows live, reports what is gone, and ends", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 4 })
      yield* ring.append(1, encode("abcdef"))
      const early = yield* Effect.forkChild(Stream.runCollect(ring.from(0)), { startImmediately: true })
      const late = yield* Effect.forkChild(Stream.runCollect(ring.from(8)), { startImmediately: true })
      yield* settle
      yield* ring.append(2, encode("gh"))
      yield* settle
      yield* ring.append(1, encode("ij"))
      yield* ring.end
      assert.deepStrictEqual(show(yield* Fiber.join(early)), ["gap 0..2", "1@2 cdef", "2@6 gh", "1@8 ij"])
      assert.deepStrictEqual(show(yield* Fiber.join(late)), ["1@8 ij"])
      assert.deepStrictEqual(show(yield* Stream.runCollect(ring.from(9))), ["1@9 j"])
      assert.deepStrictEqual(show(yield* Stream.runCollect(ring.from(99))), [])
    })
  )

  it.effect("C36 a chunk stays as it is when the ring moves on", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 4 })
      yield* ring.append(1, encode("abcd"))
      const [chunk] = yield* Stream.runCollect(Stream.take(ring.from(0), 1))
      const peeked = yield* ring.peek
      yield* ring.append(1, encode("efgh"))
      assert.deepStrictEqual(show([chunk!, ...peeked]), ["1@0 abcd", "1@0 abcd"])
    })
  )

  it.effect("C36 what was taken is a gap for readers that have not read it", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 9 })
      yield* ring.append(1, encode("abc"))
      yield* ring.take
      yield* ring.append(1, encode("d"))
      yield* ring.end
      assert.deepStrictEqual(show(yield* Stream.runCollect(ring.from(0))), ["gap 0..3", "1@3 d"])
    })
  )

  it.effect("C36 one pull gives at most 64 KiB", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 200_000 })
      const bytes = pattern(0, 150_000)
      yield* ring.append(1, bytes.subarray(0, 100_000))
      yield* ring.append(2, bytes.subarray(100_000))
      yield* ring.end
      const pulls = yield* Stream.runCollect(Stream.mapArray(ring.from(0), (items) => [items]))
      assert.deepStrictEqual(
        pulls.map((items) => items.map((item) => ("bytes" in item ? [item.fd, item.bytes.length] : []))),
        [
          [[1, 65_536]],
          [
            [1, 34_464],
            [2, 31_072]
          ],
          [[2, 18_928]]
        ]
      )
      assert.deepStrictEqual(
        pulls.flat().flatMap((item) => ("bytes" in item ? Array.from(item.bytes) : [])),
        Array.from(bytes)
      )
    })
  )

  it.effect("C37 block: the writer waits for take, and a large chunk goes in piece by piece", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 4, overflow: "block" })
      const fiber = yield* Effect.forkChild(ring.append(1, encode("abcdefghij")), { startImmediately: true })
      const second = yield* Effect.forkChild(ring.append(2, encode("K")), { startImmediately: true })
      assert.strictEqual(ring.appendUnsafe(2, encode("L")), 0)
      assert.deepStrictEqual(show(yield* ring.take), ["1@0 abcd"])
      assert.deepStrictEqual(show(yield* ring.take), ["1@4 efgh"])
      yield* settle
      assert.isDefined(fiber.pollUnsafe())
      assert.isDefined(second.pollUnsafe())
      assert.deepStrictEqual(show(yield* ring.take), ["1@8 ij", "2@10 K"])
      assert.strictEqual(yield* ring.evicted, 0)
    })
  )

  it.effect("C37 block: interrupting an append leaves what is in, once, and appends no more", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 4, overflow: "block" })
      const fiber = yield* Effect.forkChild(ring.append(1, encode("abcdefghij")), { startImmediately: true })
      yield* ring.take
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* ring.endOffset, 8)
      assert.deepStrictEqual(show(yield* ring.take), ["1@4 efgh"])
      assert.deepStrictEqual(show(yield* ring.take), [])
      yield* ring.append(2, encode("k"))
      assert.deepStrictEqual(show(yield* ring.take), ["2@8 k"])
    })
  )

  it.effect("C37 block: a reader that holds gets every byte, though others take", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 4, overflow: "block" })
      const text = "the quick brown fox jumps over the lazy dog"
      const slow = yield* Effect.forkChild(
        Stream.runFold(
          Stream.mapEffect(ring.from(0, { lag: "block" }), (item) => Effect.as(settle, item)),
          () => "",
          (all, item) => all + ("bytes" in item ? decode(item.bytes) : "?")
        ),
        { startImmediately: true }
      )
      yield* settle
      const writer = yield* Effect.forkChild(Effect.andThen(ring.append(1, encode(text)), ring.end), {
        startImmediately: true
      })
      while (writer.pollUnsafe() === undefined) {
        yield* ring.take
        yield* Effect.yieldNow
      }
      assert.strictEqual(yield* Fiber.join(slow), text)
      assert.strictEqual(yield* ring.evicted, 0)
    })
  )

  it.effect("C37 block: a holding reader that ends early, or is interrupted, holds no more", () =>
    Effect.gen(function* () {
      for (const how of ["take", "interrupt"] as const) {
        const ring = yield* RingBuffer.make({ capacity: 2, overflow: "block" })
        yield* ring.append(1, encode("ab"))
        const stream = Stream.mapEffect(ring.from(0, { lag: "block" }), (item) =>
          Effect.andThen(Effect.never, Effect.succeed(item))
        )
        if (how === "take") yield* Stream.runDrain(Stream.take(ring.from(0, { lag: "block" }), 1))
        else {
          const fiber = yield* Effect.forkChild(Stream.runDrain(stream), { startImmediately: true })
          yield* settle
          assert.strictEqual(ring.appendUnsafe(1, encode("c")), 1, "what the reader passed may go")
          yield* Fiber.interrupt(fiber)
        }
        assert.strictEqual(ring.appendUnsafe(1, encode("d")), 0, "take holds again")
        yield* ring.take
        assert.strictEqual(ring.appendUnsafe(1, encode("de")), 2)
      }
    })
  )

  it.effect("C37 lag: block is refused by a ring that evicts", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 2 })
      const reason = yield* reasonOf(Stream.runDrain(ring.from(0, { lag: "block" })))
      assert.instanceOf(reason, InvalidCommand)
      assert.include(reason.message, 'overflow "block"')
    })
  )

  it.effect("refuses offsets and capacities that are none", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 2 })
      for (const offset of [-1, 0.5, Number.NaN, Infinity]) {
        const reason = yield* reasonOf(Stream.runDrain(ring.from(offset)))
        assert.strictEqual(reason instanceof InvalidCommand && reason.field, "from")
      }
      for (const capacity of [0, -1, 1.5, Number.NaN, Infinity, 1024 ** 3 + 1]) {
        const reason = yield* reasonOf(Effect.scoped(RingBuffer.make({ capacity })))
        assert.strictEqual(reason instanceof InvalidCommand && reason.field, "ring")
        assert.include(reason.message, "1 GiB")
      }
      yield* RingBuffer.make({ capacity: 1024 ** 3 })
    })
  )

  it.effect("closing ends readers and writers, and frees the memory", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const make = (overflow: Overflow) => Scope.provide(RingBuffer.make({ capacity: 2, overflow }), scope)
      const [ring, over] = [yield* make("block"), yield* make("evict")]
      const follower = yield* Effect.forkChild(Stream.runDrain(ring.from(0)), { startImmediately: true })
      const writer = yield* Effect.forkChild(ring.append(1, encode("abc")), { startImmediately: true })
      const held = yield* Scope.provide(Stream.toPull(over.from(0)), scope)
      yield* over.append(1, encode("xy"))
      yield* over.end
      yield* held
      yield* settle
      yield* Scope.close(scope, Exit.void)
      const failures = [
        Fiber.join(follower),
        Fiber.join(writer),
        ring.take,
        ring.peek,
        ring.append(1, encode("d")),
        over.append(1, encode("d")),
        Stream.runDrain(ring.from(0)),
        Stream.runDrain(over.from(0)),
        makeReader(ring).read,
        makeReader(ring).peek
      ]
      for (const failure of failures) {
        const reason = yield* reasonOf(failure as Effect.Effect<unknown, ExecError>)
        assert.strictEqual(reason instanceof Closed && reason.what, "ring buffer")
        assert.include(reason.message, "ring buffer was closed")
      }
      assert.isTrue(Result.isFailure(yield* Effect.result(held)))
      assert.deepStrictEqual(show(yield* Stream.runCollect(over.from(2))), [], "this reader has finished")
      assert.strictEqual(ring.appendUnsafe(1, encode("d")), 0)
      yield* ring.clear
      yield* ring.end
      assert.strictEqual(yield* ring.size, 0)
      assert.strictEqual((ring as RingEffects).storage.allocated, 0)
    })
  )

  it.effect("after end, appends are refused and the rest is still there", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 4 })
      yield* ring.append(1, encode("abc"))
      yield* ring.end
      yield* ring.end
      const reason = yield* reasonOf(ring.append(1, encode("d")))
      assert.include(reason.message, "ring buffer's writing end was closed")
      assert.strictEqual(ring.appendUnsafe(1, encode("d")), 0)
      assert.deepStrictEqual(show(yield* ring.take), ["1@0 abc"])
    })
  )

  it.effect("clear evicts what is left and gives the memory back", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 1 << 20 })
      yield* ring.append(1, new Uint8Array(1 << 20))
      yield* ring.clear
      assert.strictEqual(yield* ring.evicted, 1 << 20)
      assert.strictEqual((ring as RingEffects).storage.allocated, 0)
    })
  )

  it.effect("memory follows what is held: twice that and 1 KiB at most", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 1 << 20 })
      const { storage } = ring as RingEffects
      assert.strictEqual(storage.allocated, 0)
      for (const size of [1, 63, 64, 65, 1000, 5000, 70_000]) {
        yield* ring.append(1, new Uint8Array(size))
        assert.isAtMost(storage.allocated, 2 * (yield* ring.size) + 1024)
      }
      yield* ring.take
      assert.isAtMost(storage.allocated, 1024)
    })
  )

  // A fiber that yields between any two steps lets an append, a take or the end come between a look and the wait.
  it.effect.prop(
    "C36 C37 no wake-up is lost wherever fibers yield",
    {
      ops: int(3, 14),
      writerOps: int(3, 14),
      capacity: int(1, 5),
      block: int(0, 1),
      sizes: Arbitrary.array(int(0, 7), { minLength: 1, maxLength: 12 })
    },
    ({ ops, writerOps, capacity, block, sizes }) =>
      Effect.gen(function* () {
        const ring = yield* RingBuffer.make({ capacity, overflow: block === 1 ? "block" : "evict" })
        const read = Stream.runCollect(ring.from(0, { lag: block === 1 ? "block" : "skip" }))
        const reader = yield* Effect.forkChild(Effect.provideService(read, MaxOpsBeforeYield, ops))
        const write = Effect.andThen(
          Effect.forEach(sizes, (size) => ring.append(1, new Uint8Array(size)), { discard: true }),
          ring.end
        )
        const writer = yield* Effect.forkChild(Effect.provideService(write, MaxOpsBeforeYield, writerOps))
        for (let i = 0; i < 2000 && (reader.pollUnsafe() === undefined || writer.pollUnsafe() === undefined); i++) {
          yield* Effect.yieldNow
          if (i > 1000) yield* ring.take
        }
        assert.isDefined(writer.pollUnsafe(), "the writer has finished")
        assert.isDefined(reader.pollUnsafe(), "the reader has finished")
        const items = yield* Fiber.join(reader)
        const total = items.reduce((sum, item) => sum + ("to" in item ? item.to - item.from : item.bytes.length), 0)
        assert.strictEqual(
          total,
          sizes.reduce((sum, size) => sum + size, 0)
        )
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )

  it.effect.prop(
    "C37 room that comes, or the end, between the look of a writer and its wait is not missed",
    { ops: int(3, 14), otherOps: int(3, 14), delay: int(0, 3), how: int(0, 2) },
    ({ ops, otherOps, delay, how }) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const ring = yield* Scope.provide(RingBuffer.make({ capacity: 2, overflow: "block" }), scope)
        const write = Effect.provideService(ring.append(1, encode("abc")), MaxOpsBeforeYield, ops)
        const writer = yield* Effect.forkChild(write)
        const once = Effect.gen(function* () {
          while ((yield* ring.size) < 2) yield* Effect.yieldNow
          for (let i = 0; i < delay; i++) yield* Effect.yieldNow
          yield* [ring.take, ring.end, Scope.close(scope, Exit.void)][how]!
        })
        yield* Effect.provideService(once, MaxOpsBeforeYield, otherOps)
        yield* settle
        const exit = writer.pollUnsafe()
        assert.isDefined(exit, "the writer does not wait")
        assert.strictEqual(Exit.isSuccess(exit!), how === 0)
        assert.strictEqual(yield* ring.endOffset, how === 0 ? 3 : 2)
      }),
    { arbitrary: { runs: 300 }, timeout: 60_000 }
  )

  it.effect("offsets stay exact past 2^32", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 64 })
      const { storage } = ring as RingEffects
      storage.end += 2 ** 40
      storage.runs.stderrBefore += 2 ** 40
      yield* ring.append(1, encode("a"))
      yield* ring.append(2, encode("b"))
      assert.deepStrictEqual(show(yield* ring.peek), [`1@${2 ** 40} a`, `2@${2 ** 40 + 1} b`])
    })
  )
})

const characters = ["a", "\u0000", "é", "\u07FF", "\u0800", "€", "\uFEFF", "\uFFFD", "😀", "𐍈"]
const character = Arbitrary.map(int(0, characters.length - 1), (pick) => characters[pick]!)
const words = Arbitrary.map(Arbitrary.array(character, { maxLength: 30 }), (all) => all.join(""))

const view = (
  capacity: number,
  out: string,
  err: string,
  steps: ReadonlyArray<{ fd: number; size: number; read: number }>
) =>
  Effect.gen(function* () {
    const ring = yield* RingBuffer.make({ capacity })
    const reader = makeReader(ring)
    const model = new Model(capacity, "evict")
    const source = { 1: encode(out), 2: encode(err) }
    const at = { 1: 0, 2: 0 }
    const text = { 1: "", 2: "" }
    let evicted = 0
    const read = Effect.gen(function* () {
      const peeked = yield* reader.peek
      const snapshot = yield* reader.read
      assert.deepStrictEqual(peeked, snapshot)
      model.take()
      text[1] += snapshot.stdout
      text[2] += snapshot.stderr
      evicted = snapshot.evicted
    })
    const send = (fd: 1 | 2, length: number) => {
      const bytes = source[fd].subarray(at[fd], at[fd] + length)
      at[fd] += bytes.length
      model.offer(fd, bytes)
      return ring.append(fd, bytes)
    }
    for (const step of steps) {
      yield* send(step.fd as 1 | 2, step.size)
      if (step.read === 0) yield* read
    }
    while (at[1] < source[1].length || at[2] < source[2].length) {
      yield* send(1, 3)
      yield* send(2, 2)
    }
    yield* ring.end
    yield* read
    let orphans = 0
    for (const fd of [1, 2] as const) {
      // Bytes of one stream in stretches that were taken without a loss between them.
      const stretches: Array<{ readonly bytes: Array<number>; readonly afterLoss: boolean }> = []
      let before = "taken"
      for (const byte of model.all.filter((b) => b.fd === fd)) {
        if (byte.fate === "taken") {
          if (before !== "taken" || stretches.length === 0) stretches.push({ bytes: [], afterLoss: before !== "taken" })
          stretches.at(-1)!.bytes.push(byte.byte)
        }
        before = byte.fate
      }
      let expected = ""
      for (const { bytes, afterLoss } of stretches) {
        const cut = afterLoss ? bytes.findIndex((byte) => (byte & 0xc0) !== 0x80) : 0
        const skipped = cut === -1 ? bytes.length : cut
        orphans += skipped
        expected += decode(Uint8Array.from(bytes.slice(skipped)))
      }
      assert.strictEqual(text[fd], expected)
      if (model.count("evicted") === 0) assert.strictEqual(text[fd], fd === 1 ? out : err)
    }
    assert.strictEqual(evicted, model.count("evicted") + orphans)
  })

const anySteps = Arbitrary.array(Arbitrary.all({ fd: int(1, 2), size: int(0, 7), read: int(0, 3) }), { maxLength: 40 })

describe("a ring as text", () => {
  it.effect.prop(
    "C33 C22 whole characters, however the bytes are cut and read",
    { out: words, err: words, steps: anySteps },
    ({ out, err, steps }) => view(1000, out, err, steps),
    { arbitrary: { runs: 200, size: 40 }, timeout: 60_000 }
  )

  it.effect.prop(
    "C33 C34 with eviction: no broken character but where its rest is lost, and orphans are counted",
    { capacity: int(1, 24), out: words, err: words, steps: anySteps },
    ({ capacity, out, err, steps }) => view(capacity, out, err, steps),
    { arbitrary: { runs: 400, size: 40 }, timeout: 60_000 }
  )

  it.effect("C33 keeps an incomplete tail for the next read, and ends it as U+FFFD", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 100 })
      const reader = makeReader(ring)
      const euro = encode("€")
      yield* ring.append(1, euro.subarray(0, 1))
      yield* ring.append(2, encode("x"))
      assert.deepStrictEqual(yield* reader.peek, { stdout: "", stderr: "x", evicted: 0 })
      assert.deepStrictEqual(yield* reader.read, { stdout: "", stderr: "x", evicted: 0 })
      yield* ring.append(1, euro.subarray(1))
      yield* ring.append(1, euro.subarray(0, 2))
      assert.deepStrictEqual(yield* reader.read, { stdout: "€", stderr: "", evicted: 0 })
      assert.deepStrictEqual(yield* reader.read, { stdout: "", stderr: "", evicted: 0 })
      yield* ring.end
      assert.deepStrictEqual(yield* reader.peek, { stdout: "\uFFFD", stderr: "", evicted: 0 })
      assert.deepStrictEqual(yield* reader.read, { stdout: "\uFFFD", stderr: "", evicted: 0 })
      assert.deepStrictEqual(yield* reader.read, { stdout: "", stderr: "", evicted: 0 })
    })
  )

  it.effect("C33 skips the rest of a character whose beginning was evicted, even over several reads", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 1 })
      const reader = makeReader(ring)
      const face = encode("😀")
      yield* ring.append(1, face.subarray(0, 2))
      assert.deepStrictEqual(yield* reader.read, { stdout: "", stderr: "", evicted: 2 })
      yield* ring.append(1, face.subarray(2, 3))
      assert.deepStrictEqual(yield* reader.read, { stdout: "", stderr: "", evicted: 3 })
      yield* ring.append(1, face.subarray(3))
      assert.deepStrictEqual(yield* reader.read, { stdout: "", stderr: "", evicted: 4 })
      yield* ring.append(1, encode("a"))
      assert.deepStrictEqual(yield* reader.read, { stdout: "a", stderr: "", evicted: 4 })
    })
  )

  it.effect("C22 a gap in one stream leaves the tail of the other alone", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 2 })
      const reader = makeReader(ring)
      const euro = encode("€")
      yield* ring.append(1, euro.subarray(0, 2))
      yield* reader.read
      yield* ring.append(2, encode("abc"))
      assert.deepStrictEqual(yield* reader.read, { stdout: "", stderr: "bc", evicted: 1 })
      yield* ring.append(1, euro.subarray(2))
      assert.deepStrictEqual(yield* reader.read, { stdout: "€", stderr: "", evicted: 1 })
      yield* ring.append(1, euro.subarray(0, 2))
      yield* reader.read
      yield* ring.append(1, encode("abc"))
      assert.deepStrictEqual(yield* reader.read, { stdout: "\uFFFDbc", stderr: "", evicted: 2 })
    })
  )

  it.effect("C33 a gap by someone else's take resets the tail too", () =>
    Effect.gen(function* () {
      const ring = yield* RingBuffer.make({ capacity: 9 })
      const reader = makeReader(ring)
      const euro = encode("€")
      yield* ring.append(1, euro.subarray(0, 1))
      yield* reader.read
      yield* ring.append(1, euro.subarray(1, 2))
      yield* ring.take
      yield* ring.append(1, euro.subarray(2))
      yield* ring.append(1, encode("a"))
      assert.deepStrictEqual(yield* reader.read, { stdout: "\uFFFDa", stderr: "", evicted: 1 })
    })
  )
})
