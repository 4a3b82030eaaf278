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

// How long a pipe that outlived its tree may be silent before it is closed (C15): 200 ms, long enough for what was
// written to it before the end to arrive on a loaded machine. Counted in steps, each begun after the one before: an
// event loop that stood still for all of it has still polled the pipe between two of them.
const step = Duration.millis(20)
const quietSteps = 10
// A survivor that never falls silent is not listened to for ever: 1 s of somebody waiting for it is enough.
const hurriedSteps = 50

const closed = ExecError.make(new ExecError.Closed({ what: "scope of this process" }))

const none: ReadonlyArray<Output> = []

/** What does things on behalf of the process, until its scope has closed. */
interface Owner {
  readonly fork: (effect: Effect.Effect<void>) => void
}

/** A consumer that does not wait in a fiber. */
export interface Sleeper {
  readonly wake: () => void
}

/** The events of one process, for one consumer at a time. */
export class Reading<E> {
  private readonly ending: Ending<E>
  private readonly owner: Owner

  private stage: "started" | "output" | "gap" | "exited" | "done" = "started"
  private outputs: ReadonlyArray<Output> = none
  private taken = 0
  private offset = 0
  private discarded = 0
  private incomplete = false
  // The backend has no more output; what was pulled may still be here.
  private isAtEnd = false
  // Bytes were thrown away that nobody had asked to be: what is read from here on is no whole.
  private hasLost = false
  private isHurried = false
  // The backend may be pulled by one at a time. Waiting for a turn, or for somebody to pull, is rare: no latch till then.
  private isPulling = false
  private turn: Latch.Latch | undefined
  private demand: Latch.Latch | undefined
  private sleeper: Sleeper | undefined

  constructor(ending: Ending<E>, owner: Owner) {
    this.ending = ending
    this.owner = owner
  }

  /** The next event. One consumer at a time; another one waits for its turn. */
  get pull(): EventPull<E> {
    return Effect.suspend(() => this.next())
  }

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
    const output = this.outputs[this.taken]
    if (output === undefined) {
      if (this.hasLost) return Effect.fail(closed)
      if (this.isAtEnd) {
        this.stage = this.discarded > 0 ? "gap" : "exited"
        return Effect.suspend(() => this.next())
      }
      return Effect.flatMap(this.refill(true), () => this.next())
    }
    // What was given is not kept until more comes, which may be never.
    if (++this.taken === this.outputs.length) this.forgetOutputs()
    const isFirst = this.received === 0
    const wasWithinCap = this.discarded === 0
    const event = this.admit(output)
    let emit: EventPull<E> = event === undefined ? Effect.suspend(() => this.next()) : Effect.succeed([event])
    if (wasWithinCap && this.discarded > 0) emit = Effect.andThen(this.passedCap, emit)
    if (isFirst) emit = Effect.andThen(this.reportFirstByte, emit)
    return emit
  }

  private get received(): number {
    return this.offset + this.discarded
  }

  // After the end of the tree there is nothing more to wait for: all that could still come is thrown away anyway.
  private get passedCap(): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      this.owner.fork(this.ending.endBecause("maxOutput"))
      return this.ending.isOver ? this.closeOutput : Effect.void
    })
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
  private refill(isWanted: boolean): Effect.Effect<void, ExecError.ExecError> {
    return Effect.uninterruptibleMask((restore) => {
      if (this.isPulling) return restore((this.turn ??= Latch.makeUnsafe(false)).await)
      // Another consumer may have come first.
      if (this.isAtEnd || (isWanted && this.outputs.length > 0)) return Effect.void
      this.isPulling = true
      this.demand?.openUnsafe()
      return Effect.matchCauseEffect(restore(this.ending.running.pull), {
        onSuccess: (outputs) => {
          this.pulled()
          if (isWanted) this.outputs = outputs
          else this.hasLost = true
          return Effect.void
        },
        onFailure: (cause) => {
          this.pulled()
          if (!Pull.isDoneCause(cause)) return Effect.failCause(cause as Cause.Cause<ExecError.ExecError>)
          this.isAtEnd = true
          return Effect.void
        }
      })
    })
  }

  private forgetOutputs(): void {
    this.outputs = none
    this.taken = 0
  }

  /**
   * Whether the consumer may go, because the next pull would wait for the process: it is woken when there is something to pull.
   * From the exit on it has to stay, for then it matters whether somebody waits (`closeWhenQuiet`).
   */
  leave(consumer: Sleeper): boolean {
    const { isRunning, running } = this.ending
    const mayWait = this.stage === "output" && this.outputs.length === 0 && !this.isAtEnd && !this.isPulling
    if (!mayWait || !isRunning || running.whenReadable?.() !== true) return false
    this.sleeper = consumer
    return true
  }

  /** Something came, or the process ended. */
  wake(): void {
    const { sleeper } = this
    this.sleeper = undefined
    sleeper?.wake()
  }

  private pulled(): void {
    this.isPulling = false
    this.demand = undefined
    const { turn } = this
    // First, for those who wait go on within the next line, and may wait for the next turn there.
    this.turn = undefined
    turn?.openUnsafe()
  }

  private get exited(): EventPull<E> {
    return Effect.flatMap(Deferred.await(this.ending.settled), (): EventPull<E> => {
      if (this.stage === "done") return Cause.done()
      if (this.hasLost) return Effect.fail(closed)
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
    return Effect.gen({ self: this }, function* () {
      const { policy, running } = this.ending
      // Until then somebody in the tree may hold it open, and be silent for as long as he likes.
      if (policy.lingering === "drain") yield* Effect.ignore(running.treeEmpty)
      let { received } = this
      for (let quiet = 0, waited = 0; !this.isAtEnd;) {
        if (!this.isPulling) yield* (this.demand ??= Latch.makeUnsafe(false)).await
        yield* deadline.sleep(step)
        if (this.isPulling) waited++
        quiet = this.isPulling && this.received === received ? quiet + 1 : 0
        received = this.received
        if (quiet >= quietSteps || (this.isBounded && waited >= hurriedSteps)) return yield* this.closeOutput
      }
    })
  }

  // Those that were left on purpose may write for ever; and a timeout, or a cap, is one for what survived, too.
  private get isBounded(): boolean {
    return this.isHurried || this.discarded > 0 || this.ending.policy.lingering === "leave"
  }

  private get closeOutput(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // Those that were left on purpose hold it by right: what they write later was never asked for.
      this.incomplete = this.ending.policy.lingering !== "leave"
      return this.ending.running.closeOutput
    })
  }

  /** The timeout: ends the tree, or where that has ended, the waiting for what survived it. */
  get timeOut(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isHurried = true
      return this.ending.endBecause("timeout")
    })
  }

  /** Reads what still comes and throws it away, so that a process with a last word does not wait for ever to say it. */
  get discard(): Effect.Effect<void> {
    return Effect.ignoreCause(Effect.forever(Effect.suspend(() => (this.isAtEnd ? Effect.never : this.refill(false)))))
  }

  /** The last step: what is not read by now is lost with the pipes. Somebody who is reading may come to the end. */
  get release(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      while (!this.isAtEnd && this.isPulling) {
        const pulled = (this.turn ??= Latch.makeUnsafe(false)).await
        if (!(yield* deadline.within(pulled, Duration.times(step, quietSteps)))) break
      }
      if (!this.isAtEnd) this.hasLost = true
      yield* Metric.update(telemetry.outputBytes, this.received)
    })
  }
}
