/**
 * Simulated pipes: bounded, so that a writer waits while they are full, exactly as a process does.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Pull from "effect/Pull"
import type { Output } from "effect-exec/Backend"

/** What Linux gives a pipe. */
export const capacity = 65_536

/** The two output pipes that the processes of one tree share. */
export interface Outputs {
  /** Waits while the pipe is full. `false` when nobody can read it any more. */
  readonly write: (fd: 1 | 2, bytes: Uint8Array) => Effect.Effect<boolean>
  readonly addWriter: (fd: 1 | 2) => void
  /** The last writer that leaves is the end of the file. */
  readonly dropWriter: (fd: 1 | 2) => void
  readonly pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Output>>
  readonly closeReading: () => void
}

/** Two empty pipes without a writer. */
export const makeOutputs = (): Outputs => {
  let held: Array<Output> = []
  const size = { 1: 0, 2: 0 }
  const writers = { 1: 0, 2: 0 }
  const writable = { 1: Latch.makeUnsafe(true), 2: Latch.makeUnsafe(true) }
  const readable = Latch.makeUnsafe(false)
  let closed = false

  const write = (fd: 1 | 2, bytes: Uint8Array): Effect.Effect<boolean> =>
    Effect.suspend(() => {
      if (closed) return Effect.succeed(false)
      if (bytes.length === 0) return Effect.succeed(true)
      const room = capacity - size[fd]
      if (room === 0) {
        writable[fd].closeUnsafe()
        return Effect.andThen(writable[fd].await, write(fd, bytes))
      }
      // A copy: the program may go on using its own.
      const part = bytes.slice(0, room)
      held.push({ fd, bytes: part })
      size[fd] += part.length
      readable.openUnsafe()
      return part.length === bytes.length ? Effect.succeed(true) : write(fd, bytes.subarray(part.length))
    })

  const pull: Outputs["pull"] = Effect.suspend(() => {
    if (held.length > 0) {
      const taken = held
      held = []
      for (const fd of [1, 2] as const) {
        size[fd] = 0
        writable[fd].openUnsafe()
      }
      return Effect.succeed(taken as unknown as Arr.NonEmptyReadonlyArray<Output>)
    }
    if (closed || writers[1] + writers[2] === 0) return Cause.done()
    readable.closeUnsafe()
    return Effect.andThen(readable.await, pull)
  })

  return {
    write,
    pull,
    addWriter: (fd) => {
      writers[fd]++
    },
    dropWriter: (fd) => {
      if (--writers[fd] === 0) readable.openUnsafe()
    },
    closeReading: () => {
      closed = true
      readable.openUnsafe()
      writable[1].openUnsafe()
      writable[2].openUnsafe()
    }
  }
}

/** The pipe to a process's stdin. */
export interface Input {
  /** Waits while the pipe is full. `false` when nobody can read it any more. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<boolean>
  readonly closeWriting: () => void
  /** What is there, as soon as there is something; `undefined` at end-of-file. */
  readonly read: Effect.Effect<Uint8Array | undefined>
  readonly closeReading: () => void
}

/** An empty pipe. */
export const makeInput = (): Input => {
  const outputs = makeOutputs()
  outputs.addWriter(1)
  let ended = false
  let rest: ReadonlyArray<Output> = []
  const read: Input["read"] = Effect.suspend(() => {
    const [first, ...others] = rest
    if (first !== undefined) {
      rest = others
      return Effect.succeed(first.bytes)
    }
    return Effect.matchEffect(outputs.pull, {
      onSuccess: (taken) => {
        rest = taken
        return read
      },
      onFailure: () => Effect.succeed(undefined)
    })
  })
  return {
    write: (bytes) => Effect.suspend(() => (ended ? Effect.succeed(false) : outputs.write(1, bytes))),
    closeWriting: () => {
      if (ended) return
      ended = true
      outputs.dropWriter(1)
    },
    read,
    closeReading: outputs.closeReading
  }
}
