/**
 * A place to run commands in, and who uses it.
 */
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Exec } from "effect-exec/Exec"
import * as Admission from "./admission.ts"
import { Pausable } from "./pausable.ts"
import { Sessions, type Shared } from "./sessions.ts"

/** What a capsule is made with. */
export interface Options {
  readonly id: string
  readonly template: string
  /** How long nobody has to use it before it may end. */
  readonly idleTimeout: Duration.Duration
  readonly exec: Exec["Service"]
  readonly shared: Shared
  readonly context: Context.Context<never>
}

export class Capsule {
  readonly id: string
  readonly template: string
  readonly idleTimeout: Duration.Duration
  readonly exec: Exec["Service"]
  readonly sessions: Sessions
  readonly pausable: Pausable
  /** Milliseconds since 1970. */
  readonly createdAt = Date.now()
  /** Whether commands could be run in it when that was last seen. */
  status: "starting" | "running" | "failed" = "starting"

  private usedAt = performance.now()
  private uses = 0

  constructor({ context, exec, id, idleTimeout, shared, template }: Options) {
    this.id = id
    this.template = template
    this.idleTimeout = idleTimeout
    this.pausable = new Pausable(id, Admission.make(exec, shared.limits))
    this.exec = this.pausable.exec
    this.sessions = new Sessions(this.exec, shared, context)
  }

  /** Starts what would start with the first command, so that nobody has to wait for it then. */
  get start(): Effect.Effect<void> {
    return Effect.matchEffect(this.exec.capabilities, {
      onSuccess: () => Effect.sync(() => void (this.status = "running")),
      onFailure: (error) => {
        this.status = "failed"
        return Effect.logWarning("A capsule could not be started", error)
      }
    })
  }

  /** While this runs it is not idle. For what comes without a session. */
  use<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => this.uses++),
      () => effect,
      () =>
        Effect.sync(() => {
          this.uses--
          this.usedAt = performance.now()
        })
    )
  }

  /** Somebody says that he needs it still. */
  touch(): void {
    this.usedAt = performance.now()
  }

  /** When it was last seen in use, in milliseconds since 1970. */
  get lastUsedAt(): number {
    return performance.timeOrigin + this.usedAt
  }

  // Whoever paused it wants to find it again.
  private get isUsed(): boolean {
    return this.uses > 0 || this.sessions.size > 0 || this.pausable.isPaused
  }

  /** Whether nobody has used it for long enough: no client, and no process. */
  get isIdle(): Effect.Effect<boolean> {
    return Effect.suspend(() => {
      if (this.isUsed) return this.idle(true)
      return Effect.matchEffect(this.exec.list(), {
        onSuccess: (running) => this.idle(running.length > 0 || this.isUsed),
        // What cannot be asked runs nothing.
        onFailure: () => this.idle(this.isUsed)
      })
    })
  }

  private idle(isUsed: boolean): Effect.Effect<boolean> {
    const now = performance.now()
    if (isUsed) this.usedAt = now
    return Effect.succeed(now - this.usedAt >= Duration.toMillis(this.idleTimeout))
  }
}
