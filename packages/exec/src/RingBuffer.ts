/**
 * The last N bytes of a process: both streams in one ring, in observed order, addressed by absolute offset (0 is the
 * first byte that was ever appended).
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ExecError } from "./ExecError.ts"
import type { Overflow } from "./ExecOptions.ts"

/** Consecutive bytes of one stream. A copy: it stays as it is when the ring moves on. */
export interface Chunk {
  readonly _tag: "Chunk"
  readonly fd: 1 | 2
  readonly offset: number
  readonly bytes: Uint8Array
}

/** The bytes from `from` up to `to` were evicted before this reader could read them. */
export interface Gap {
  readonly _tag: "Gap"
  readonly from: number
  readonly to: number
}

export interface RingBuffer {
  readonly capacity: number
  readonly overflow: Overflow
  readonly append: (fd: 1 | 2, bytes: Uint8Array) => Effect.Effect<void, ExecError>
  readonly appendUnsafe: (fd: 1 | 2, bytes: Uint8Array) => number
  readonly end: Effect.Effect<void>
  readonly take: Effect.Effect<ReadonlyArray<Chunk>, ExecError>
  readonly peek: Effect.Effect<ReadonlyArray<Chunk>, ExecError>
  readonly from: (
    offset: number,
    options?: { readonly lag?: "skip" | "block" | undefined }
  ) => Stream.Stream<Chunk | Gap, ExecError>
  readonly clear: Effect.Effect<void>
  readonly size: Effect.Effect<number>
  readonly endOffset: Effect.Effect<number>
  readonly evicted: Effect.Effect<number>
}

export declare const make: (options: {
  readonly capacity: number
  readonly overflow?: Overflow | undefined
}) => Effect.Effect<RingBuffer, ExecError, Scope.Scope>
