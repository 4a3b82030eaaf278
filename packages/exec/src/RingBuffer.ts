/**
 * The last N bytes of a process: both streams in one ring, in observed order, addressed by absolute offset (0 is the
 * first byte that was ever appended).
 *
 * Every byte that was appended is, at any time, exactly one of taken, evicted, or left: `taken + evicted + size` is
 * `endOffset`. A ring costs next to nothing until bytes come; its memory then grows by doubling, up to the capacity.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { RingBuffer } from "effect-exec"
 *
 * const program = Effect.gen(function* () {
 *   const ring = yield* RingBuffer.make({ capacity: 4 })
 *   const encoder = new TextEncoder()
 *   yield* ring.append(1, encoder.encode("abc"))
 *   yield* ring.append(2, encoder.encode("def"))
 *   const held = yield* ring.take
 *   return [held.map(({ bytes, fd, offset }) => [fd, offset, bytes.length]), yield* ring.evicted]
 * })
 *
 * // Four bytes of six are left: "c" of stdout, and "def" of stderr.
 * await Effect.runPromise(Effect.scoped(program)) // => [[[1, 2, 1], [2, 3, 3]], 2]
 * ```
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type * as ExecError from "./ExecError.ts"
import type { Overflow } from "./ExecOptions.ts"
import * as internal from "./internal/ringEffects.ts"

/** Consecutive bytes of one stream. A copy: it stays as it is when the ring moves on. */
export interface Chunk {
  readonly _tag: "Chunk"
  readonly fd: 1 | 2
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The bytes from `from` up to `to` left the ring, evicted or taken, before this reader could read them. */
export interface Gap {
  readonly _tag: "Gap"
  readonly from: number
  readonly to: number
}

/** What a ring holds at one moment, with the figures of that moment. */
export interface Held {
  /** In order, one chunk for each run of one stream. */
  readonly chunks: ReadonlyArray<Chunk>
  /** How many bytes of stdout were taken or evicted before these chunks. */
  readonly stdoutBefore: number
  /** How many bytes of stderr were taken or evicted before these chunks. */
  readonly stderrBefore: number
  /** How many bytes were evicted so far, both streams together. */
  readonly evicted: number
  /** Whether these chunks are the last. */
  readonly ended: boolean
}

/** How a reader follows. */
export interface FromOptions {
  /**
   * `"skip"`, the default: what left the ring before it was read is a `Gap`. `"block"`: the writer waits for this
   * reader, which needs a ring with `overflow: "block"`.
   */
  readonly lag?: "skip" | "block" | undefined
}

/** The last N bytes of a process. */
export interface RingBuffer {
  /** The most bytes it holds. */
  readonly capacity: number
  readonly overflow: Overflow
  /**
   * Appends bytes of stdout (1) or stderr (2). `"evict"`: never waits, the oldest bytes go; of a chunk larger than the
   * capacity the end stays, and its beginning counts as evicted. `"block"`: waits for room, and takes what fits as room
   * comes, in the order of the calls; the bytes must not be changed meanwhile. Interrupting it leaves in the ring what
   * was appended already, once, and appends no more; `endOffset` says how far it came. Fails with `Closed` after `end`,
   * or when the ring closes.
   *
   * Both modes bound the changes between stdout and stderr to one for each 64 bytes of capacity, and never below 16:
   * past that the oldest run of bytes goes, or the writer waits, although there is room for bytes.
   */
  readonly append: (fd: 1 | 2, bytes: Uint8Array) => Effect.Effect<void, ExecError.ExecError>
  /**
   * As `append`, without waiting: returns how many bytes it took, from the first on. All of them in `"evict"`, what
   * fits in `"block"`; none after `end`, after the close, and while an `append` waits.
   */
  readonly appendUnsafe: (fd: 1 | 2, bytes: Uint8Array) => number
  /**
   * The writer is done: readers finish after the last byte, and what stays can still be taken. An `append` that waits
   * fails with `Closed`. Idempotent.
   */
  readonly end: Effect.Effect<void>
  /**
   * Takes all that is there, and so makes room. Never waits. Taken bytes are gone: readers that have not read them get
   * a `Gap`, except those with `lag: "block"`, for which they stay. Fails with `Closed` after the close.
   */
  readonly take: Effect.Effect<ReadonlyArray<Chunk>, ExecError.ExecError>
  /** What `take` would give. Changes nothing. */
  readonly peek: Effect.Effect<ReadonlyArray<Chunk>, ExecError.ExecError>
  /** As `take`, and calls `f` in the same step, so that no append, take or interruption comes between. */
  readonly takeWith: <A>(f: (held: Held) => A) => Effect.Effect<A, ExecError.ExecError>
  /** As `peek`, and calls `f` in the same step. */
  readonly peekWith: <A>(f: (held: Held) => A) => Effect.Effect<A, ExecError.ExecError>
  /**
   * Replays what the ring holds from this offset, then follows live, and finishes after the last byte when the writer
   * ended. An offset that is still to come is waited for. One pull gives up to 64 KiB, a chunk for each run.
   *
   * Each run of the stream is a reader of its own; none disturbs another. Only a reader with `lag: "block"` holds the
   * writer, from its start until it ends or is interrupted: it never gets a `Gap` for what was held when it started
   * (but `clear` clears for all). What all such readers have passed goes when the writer needs the room, and counts
   * as taken. While there is none, the writer waits for `take` alone.
   *
   * Fails with `Closed` when the ring closes before this reader has reached its end, and with `InvalidCommand` for an
   * offset that is no whole number from 0 on, and for `lag: "block"` on a ring that evicts.
   */
  readonly from: (offset: number, options?: FromOptions) => Stream.Stream<Chunk | Gap, ExecError.ExecError>
  /** Drops what the ring holds, and its memory; that counts as evicted. For retention. */
  readonly clear: Effect.Effect<void>
  /** How many bytes a `take` would give. 0 after the close. */
  readonly size: Effect.Effect<number>
  /** How many bytes were ever appended: the offset of the next one. */
  readonly endOffset: Effect.Effect<number>
  /** How many bytes were lost: dropped to make room, cleared, or left at the close. */
  readonly evicted: Effect.Effect<number>
  /** How many bytes were taken: by `take`, or by readers with `lag: "block"` alone. */
  readonly taken: Effect.Effect<number>
}

/**
 * A ring of `capacity` bytes, both streams together. `overflow` is `"evict"` by default.
 *
 * Closing the scope frees the memory, fails what waits with `Closed`, and ends every reader: with `Closed`, unless it
 * has read the last byte of a writer that ended. Fails with `InvalidCommand` for a capacity that is not a whole number
 * from 1 to 1 GiB.
 */
export const make = (options: {
  readonly capacity: number
  readonly overflow?: Overflow | undefined
}): Effect.Effect<RingBuffer, ExecError.ExecError, Scope.Scope> =>
  Effect.acquireRelease(internal.make(options.capacity, options.overflow), (ring) => ring.close)
