/**
 * The two outputs of one process, told apart: its events come in one stream, and somebody reads only one of the two, or
 * each at a pace of its own.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { ExecError } from "../../ExecError.ts"
import type { ExecEvent, Stderr, Stdout } from "../../ExecEvent.ts"

/** Which output: 1 is stdout, 2 is stderr. */
export type Of = 1 | 2 | "both"

/**
 * How much of an output that nobody reads may wait here; then the process waits, and whoever reads the other one with
 * it. As much as waits between two processes elsewhere: a pipe, and what the reader's end buffers.
 */
const maxHeld = 256 * 1024

// What a chunk costs beside its bytes: a process that writes them one by one must not hold many times as much.
const chunkCost = 128

/** What came of one output and nobody has taken yet. */
class Held {
  private chunks: Array<Stdout | Stderr> = []
  private size = 0

  get isFull(): boolean {
    return this.size >= maxHeld
  }

  put(event: Stdout | Stderr): void {
    this.chunks.push(event)
    this.size += event.bytes.length + chunkCost
  }

  take(): ReadonlyArray<Stdout | Stderr> {
    const { chunks } = this
    this.chunks = []
    this.size = 0
    return chunks
  }
}

type Chunks = Pull.Pull<Arr.NonEmptyReadonlyArray<Uint8Array>, ExecError>

/** What a process writes, for any number of readers; each byte is given to one of them. */
export class Outputs {
  private readonly events: Pull.Pull<Arr.NonEmptyReadonlyArray<ExecEvent>, ExecError>
  private readonly stdout = new Held()
  private readonly stderr = new Held()
  private ended: Pull.Pull<never, ExecError> | undefined
  private isPulling = false
  // Opened when something has changed for those who wait.
  private change: Latch.Latch | undefined

  constructor(events: Pull.Pull<Arr.NonEmptyReadonlyArray<ExecEvent>, ExecError>) {
    this.events = events
  }

  /** An output as it comes, to its end; both in the order in which they were observed. Reading again goes on. */
  stream(of: Of): Stream.Stream<Uint8Array, ExecError> {
    return Stream.fromPull(Effect.succeed(Effect.suspend(() => this.next(of))))
  }

  private next(of: Of): Chunks {
    const taken = this.take(of)
    if (Arr.isReadonlyArrayNonEmpty(taken)) {
      this.changed()
      return Effect.succeed(Arr.map(taken, ({ bytes }) => bytes))
    }
    if (this.ended !== undefined) return this.ended
    const mustWait = this.isPulling || this.stdout.isFull || this.stderr.isFull
    return Effect.flatMap(mustWait ? (this.change ??= Latch.makeUnsafe(false)).await : this.refill, () => this.next(of))
  }

  private take(of: Of): ReadonlyArray<Stdout | Stderr> {
    if (of !== "both") return (of === 1 ? this.stdout : this.stderr).take()
    return [...this.stdout.take(), ...this.stderr.take()].sort((one, other) => one.offset - other.offset)
  }

  private changed(): void {
    const { change } = this
    // First, for those who wait go on within the next line, and may wait for the next change there.
    this.change = undefined
    change?.openUnsafe()
  }

  // Only the waiting can be interrupted: what the pull gave must be kept before an interruption strikes, or is lost.
  private get refill(): Effect.Effect<void> {
    return Effect.uninterruptibleMask((restore) => {
      this.isPulling = true
      return Effect.matchCauseEffect(restore(this.events), {
        onSuccess: (events) => {
          for (const event of events) {
            if (event._tag === "Stdout") this.stdout.put(event)
            else if (event._tag === "Stderr") this.stderr.put(event)
          }
          return this.pulled
        },
        onFailure: (cause) => {
          // Somebody else may go on where this one was interrupted.
          const isInterrupted = Cause.hasInterruptsOnly(cause)
          if (!isInterrupted) this.ended = Effect.failCause(cause)
          return isInterrupted ? Effect.andThen(this.pulled, Effect.interrupt) : this.pulled
        }
      })
    })
  }

  private get pulled(): Effect.Effect<void> {
    return Effect.sync(() => {
      this.isPulling = false
      this.changed()
    })
  }
}
