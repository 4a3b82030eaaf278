/**
 * What a process writes, as events: one at a time, up to the output cap, with the end as the last one.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Metric from "effect/Metric"
import * as Pull from "effect/Pull"
import type { Output } from "../Backend.ts"
import * as ExecError from "../ExecError.ts"
import type { ExecEvent } from "../ExecEvent.ts"
import * as deadline from "./deadline.ts"
import type { Ending } from "./ending.ts"
import * as telemetry from "./telemetry.ts"

/** A pull of exactly one event, so that a consumer that stops between two of them has lost none. */
export type EventPull<E> = Pull.Pull<readonly [ExecEvent], ExecError.ExecError | E>

// How long a pipe that outlived its tree may be silent before it is closed: long enough for what was written to it
// before the end to arrive on a loaded machine, short enough not to be felt (C15).
const quiet = Duration.millis(200)

/** The events of one process, for one consumer at a time. */
export class Reading<E> {
  private readonly ending: Ending<E>
  /** Runs an effect on behalf of the process, in its scope. */
  private readonly fork: (effect: Effect.Effect<void>) => Effect.Effect<unknown>

  private stage: "started" | "output" | "gap" | "exited" | "done" = "started"
  private outputs: ReadonlyArray<Output> = []
  private taken = 0
  private offset = 0
  private discarded = 0
  private incomplete = false
  private released = false
  // The backend may be pulled by one at a time: `idle` is open while nobody does, `busy` while somebody waits for bytes.
  private readonly idle = Latch.makeUnsafe(true)
  private readonly busy = Latch.makeUnsafe(false)
  private pulls = 0

  constructor(ending: Ending<E>, fork: (effect: Effect.Effect<void>) => Effect.Effect<unknown>) {
    this.ending = ending
    this.fork = fork
  }

  /** The next event. One consumer at a time; another one waits for its turn. */
  readonly pull: EventPull<E> = Effect.suspend(() => this.next())

  private next(): EventPull<E> {
    switch (this.stage) {
      case "started":
        this.stage = "output"
        return Effect.succeed([{ _tag: "Started", id: this.ending.id, pid: this.ending.running.pid }])
      case "output":
        return this.nextOutput()
      case "gap":
        this.stage = "exited"
        return Effect.succeed([{ _tag: "Gap", from: this.offset, to: this.offset + this.discarded }])
      case "exited":
        return this.exited
      case "done":
        return Cause.done()
    }
  }

  private nextOutput(): EventPull<E> {
    if (this.released) return Effect.fail(ExecError.make(new ExecError.Closed({ what: "scope of this process" })))
    const output = this.outputs[this.taken]
    if (output === undefined) return Effect.flatMap(this.refill, () => this.next())
    this.taken++
    const isFirst = this.offset + this.discarded === 0
    const wasWhole = this.discarded === 0
    const event = this.admit(output)
    const emit = event === undefined ? Effect.suspend(() => this.next()) : Effect.succeed([event] as const)
    if (wasWhole && this.discarded > 0) return Effect.andThen(this.fork(this.ending.endBecause("maxOutput")), emit)
    return isFirst ? Effect.andThen(this.reportFirstByte, emit) : emit
  }

  // As many of the bytes as the cap has room for; the rest is counted.
  private admit({ fd, bytes }: Output): ExecEvent | undefined {
    const room = this.ending.policy.maxOutput - this.offset
    const admitted = bytes.length <= room ? bytes : bytes.slice(0, room)
    this.discarded += bytes.length - admitted.length
    if (admitted.length === 0) return undefined
    const offset = this.offset
    this.offset += admitted.length
    return { _tag: fd === 1 ? "Stdout" : "Stderr", offset, bytes: admitted }
  }

  // Only the waiting can be interrupted: what a pull gave must be kept before an interruption strikes, or is lost.
  private readonly refill: Effect.Effect<void, ExecError.ExecError> = Effect.uninterruptibleMask((restore) => {
    if (!this.idle.isOpen()) return restore(this.idle.await)
    // Another consumer may have come first.
    if (this.stage !== "output" || this.taken < this.outputs.length) return Effect.void
    this.pulls++
    this.idle.closeUnsafe()
    this.busy.openUnsafe()
    return Effect.matchCauseEffect(restore(this.ending.running.pull), this.refilled)
  })

  private readonly refilled = {
    onSuccess: (outputs: ReadonlyArray<Output>) => {
      this.busy.closeUnsafe()
      this.idle.openUnsafe()
      this.outputs = this.released ? [] : outputs
      this.taken = 0
      return Effect.void
    },
    onFailure: (cause: Cause.Cause<ExecError.ExecError | Cause.Done>) => {
      this.busy.closeUnsafe()
      this.idle.openUnsafe()
      if (!Pull.isDoneCause(cause)) return Effect.failCause(cause as Cause.Cause<ExecError.ExecError>)
      this.stage = this.discarded > 0 ? "gap" : "exited"
      return Metric.update(telemetry.outputBytes, this.offset + this.discarded)
    }
  }

  private get exited(): EventPull<E> {
    return Effect.flatMap(Deferred.await(this.ending.settled), (): EventPull<E> => {
      if (this.stage === "done") return Cause.done()
      this.stage = "done"
      const { exit, endedBy } = this.ending
      return Effect.succeed([{ _tag: "Exited", ...exit!, endedBy, incomplete: this.incomplete }])
    })
  }

  private get reportFirstByte(): Effect.Effect<void> {
    const { clock, startedAt } = this.ending
    return Metric.update(telemetry.firstByte, Number(clock.currentTimeNanosUnsafe() - startedAt) / 1e6)
  }

  /**
   * After the end of the tree, closes output that something outside of it still holds open, once somebody has waited
   * a while for bytes and none came. While nobody reads, nothing is hurried: what is in the pipe is kept.
   */
  get closeWhenQuiet(): Effect.Effect<void> {
    return Effect.suspend(() => (this.stage === "output" ? this.quietPull : Effect.void))
  }

  private get quietPull(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* this.busy.await
      const { pulls } = this
      yield* deadline.sleep(quiet)
      if (this.stage !== "output" || pulls !== this.pulls || !this.busy.isOpen()) return yield* this.closeWhenQuiet
      // Those that were left on purpose hold it by right: what they write later was never asked for.
      this.incomplete = this.ending.policy.lingering !== "leave"
      yield* this.ending.running.closeOutput
    })
  }

  /** Reads what still comes and throws it away, so that a process with a last word does not wait for ever to say it. */
  get discard(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.released = true
      return Effect.ignoreCause(
        Effect.forever(Effect.suspend(() => (this.stage === "output" ? this.refill : Effect.never)))
      )
    })
  }
}
