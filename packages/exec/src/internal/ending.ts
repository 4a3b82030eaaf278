/**
 * How a process ends: by itself, its timeout, its output cap, a signal or the closing of its scope, and what becomes
 * of its tree then.
 */
import type * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import type { Backend, Running } from "../Backend.ts"
import * as ExecError from "../ExecError.ts"
import type { EndedBy } from "../ExecEvent.ts"
import type { KillOptions } from "../ExecOptions.ts"
import type { ExitStatus } from "../ExitStatus.ts"
import type { Policy } from "../Policy.ts"
import type { ProcessId } from "../ProcessId.ts"
import type { Signal } from "../Signal.ts"
import * as check from "./check.ts"
import * as deadline from "./deadline.ts"
import * as telemetry from "./telemetry.ts"
import * as terminate from "./terminate.ts"

// Signals that are sent to end something; what gets another one may live on for hours.
const endingSignals: ReadonlySet<Signal> = new Set<Signal>(["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGKILL"])

/** The end of one process and its tree. */
export class Ending<E> {
  readonly backend: Backend
  readonly id: ProcessId
  readonly running: Running
  readonly policy: Policy
  readonly clock: Clock.Clock
  readonly startedAt: bigint

  /** How the process itself ended, once it has. */
  exit: { readonly status: ExitStatus; readonly duration: Duration.Duration } | undefined
  /** Who ended it, as far as is known now. */
  endedBy: EndedBy = "self"
  /** Done when the process and, as the policy has it, its tree have ended, or nobody can tell any more. */
  readonly settled = Deferred.makeUnsafe<void, ExecError.ExecError | E>()

  // Nothing is left to kill, or nothing that could be.
  private treeDone = false
  private isLost = false
  private isLeftoverReported = false
  private sent: Set<Signal> | undefined
  // Escalations under way. While there is one, the tree has its grace: the exit of the process must not cut it short.
  private escalations = 0
  private calm: Latch.Latch | undefined
  // Of the stream given as stdin.
  private failure: Cause.Cause<E> | undefined
  // Why it could not be ended, where the backend knows.
  private obstacle: ExecError.ExecError | undefined

  constructor(backend: Backend, id: ProcessId, policy: Policy, running: Running, clock: Clock.Clock) {
    this.backend = backend
    this.id = id
    this.running = running
    this.policy = policy
    this.clock = clock
    this.startedAt = clock.currentTimeNanosUnsafe()
  }

  /** Neither is its end known, nor is it known that nobody will ever know. */
  get isRunning(): boolean {
    return this.exit === undefined && !this.isLost
  }

  /** The process has exited, and what the policy wants of its tree is done. */
  get isOver(): boolean {
    return this.exit !== undefined && (this.treeDone || this.policy.lingering === "leave")
  }

  /** How the process ended. Whoever hears of it first notes it, so that nobody calls running what he knows to have ended. */
  get exited(): Effect.Effect<ExitStatus, ExecError.ExecError> {
    return Effect.map(this.running.exited, (status) => this.note(status))
  }

  /** Does to the rest of the tree what the policy says, now that the process has ended or is lost. */
  ended(exit: Exit.Exit<ExitStatus, ExecError.ExecError>): Effect.Effect<void> {
    return Effect.flatMap(exit, (status) => {
      this.note(status)
      return Effect.andThen(this.rest, this.settle)
    }).pipe(
      Effect.catchCause((cause) => {
        this.isLost = true
        return Deferred.failCause(this.settled, cause)
      }),
      Effect.asVoid
    )
  }

  private note(status: ExitStatus): ExitStatus {
    if (this.exit !== undefined) return this.exit.status
    this.exit = { status, duration: Duration.nanos(this.clock.currentTimeNanosUnsafe() - this.startedAt) }
    if (this.endedBy === "self" && status._tag === "Signaled" && this.sent?.has(status.signal)) this.endedBy = "signal"
    return status
  }

  // What becomes of the rest of the tree, as far as the end of the process has to wait for it.
  private get rest(): Effect.Effect<void, ExecError.ExecError> {
    const calm = this.calm?.await ?? Effect.void
    switch (this.policy.lingering) {
      case "kill":
        return Effect.andThen(calm, this.killRest)
      case "leave":
        return calm
      case "await":
        return this.running.treeEmpty
      case "drain":
        return Effect.void
    }
  }

  // Whether what outlived the process was meant to: then it has a grace period too.
  private get outlives(): boolean {
    return this.policy.lingering === "await" || this.policy.lingering === "drain"
  }

  private get killRest(): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.treeDone ? Effect.void : this.conclude(terminate.kill(this.running, this.policy))
    )
  }

  private get settle(): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      if (this.policy.lingering === "kill" || this.policy.lingering === "await") this.treeDone = true
      return this.failure === undefined
        ? Deferred.succeed(this.settled, void 0)
        : Deferred.failCause(this.settled, this.failure)
    })
  }

  /** Ends the tree for a reason of the policy's: TERM, grace, KILL. */
  endBecause(reason: "timeout" | "maxOutput"): Effect.Effect<void> {
    return Effect.suspend(() => {
      // A signal that was sent but outlived ended nothing. What has exited can only still have written too much.
      if (this.endedBy === "signal" && this.exit === undefined) this.endedBy = reason
      if (this.endedBy === "self" && (reason === "maxOutput" || !this.isOver)) this.endedBy = reason
      return this.end
    })
  }

  /** Ends the tree because the stream given as stdin failed; the process then ends with that failure. */
  endWith(failure: Cause.Cause<E>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.failure = failure
      return this.end
    })
  }

  /** Ends the tree because nobody wants it any more. */
  get endBecauseUnwanted(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.exit === undefined && this.endedBy === "self") this.endedBy = "signal"
      // Until this side knows of the end too: a handle must not call running what is dead.
      const seen = deadline.within(Effect.exit(Deferred.await(this.settled)), this.policy.killDeadline)
      const closed = ExecError.make(new ExecError.Closed({ what: "scope of this process" }))
      return this.end.pipe(Effect.andThen(seen), Effect.andThen(Deferred.fail(this.settled, closed)), Effect.asVoid)
    })
  }

  // What is left of the tree: TERM, grace, KILL; KILL at once where the process itself has exited and the rest should have.
  private get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.treeDone) return Effect.void
      if (this.exit === undefined || this.outlives) {
        return this.conclude(this.escalating(terminate.escalate(this.running, this.policy)))
      }
      return this.policy.lingering === "leave" ? Effect.void : this.killRest
    })
  }

  /** What `kill` of a handle does. */
  kill(options: KillOptions = {}): Effect.Effect<void, ExecError.ExecError> {
    return Effect.flatMap(check.kill(options), ({ signal, scope, grace }) => {
      if (this.treeDone) return Effect.void
      if (this.exit === undefined) {
        this.sent = (this.sent ?? new Set()).add(signal)
        const meansTheEnd = grace !== undefined || endingSignals.has(signal)
        if (this.endedBy === "self" && meansTheEnd) this.endedBy = "signal"
      }
      if (grace === undefined) return this.running.signal(signal, scope)
      return this.escalating(terminate.escalate(this.running, this.policy, signal, scope, grace)).pipe(
        Effect.flatMap((ended) => (ended ? Effect.void : Effect.andThen(this.giveUp, Effect.fail(this.unkillable()))))
      )
    })
  }

  private escalating<A, E2>(effect: Effect.Effect<A, E2>): Effect.Effect<A, E2> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        this.escalations++
        this.calm ??= Latch.makeUnsafe(false)
        this.calm.closeUnsafe()
      }),
      () => effect,
      () =>
        Effect.sync(() => {
          if (--this.escalations === 0) this.calm?.openUnsafe()
        })
    )
  }

  // Notes that nothing is left to do for the tree, and says so where something of it is left.
  private conclude(ended: Effect.Effect<boolean, ExecError.ExecError>): Effect.Effect<void> {
    return ended.pipe(
      Effect.catch((error) => {
        if (error.reason._tag === "SandboxNotRunning") this.obstacle = error
        return Effect.as(Effect.logDebug(error), false)
      }),
      Effect.flatMap((gone) => {
        this.treeDone = true
        return gone ? Effect.void : this.giveUp
      })
    )
  }

  // Whoever waits for the end must not wait for ever for what cannot be killed.
  private get giveUp(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const report = this.isLeftoverReported ? Effect.void : telemetry.reportLeftover(this.backend, this.running.pid)
      this.isLeftoverReported = true
      if (this.exit !== undefined) return Effect.andThen(report, Effect.asVoid(this.settle))
      this.isLost = true
      return report.pipe(
        Effect.andThen(Deferred.fail(this.settled, this.unkillable())),
        // What it still holds open would else keep a reader for ever.
        Effect.andThen(this.running.closeOutput)
      )
    })
  }

  private unkillable(): ExecError.ExecError {
    return (
      this.obstacle ??
      ExecError.make(
        new ExecError.KillFailed({
          id: this.id,
          detail: { backend: this.backend.name, text: `pid ${this.running.pid} was still there after KILL` }
        })
      )
    )
  }
}
