/**
 * Says of a death by KILL whether it was for want of memory: the kernel sends the same signal as everybody.
 */
import type * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Listener, Running } from "effect-exec/Backend"
import type { ExecError } from "effect-exec/ExecError"
import type { ExitStatus } from "effect-exec/ExitStatus"
import type * as Signal from "effect-exec/Signal"
import type { DockerClient } from "../DockerClient.ts"
import * as deadline from "./deadline.ts"

/** An end is not held up longer than this by an engine that does not answer. */
const askMillis = 2000

/** Where commands are watched. */
interface Place {
  readonly client: DockerClient
  readonly id: string
  readonly since: number
  readonly scope: Scope.Scope
  readonly context: Context.Context<never>
}

/** Watches what is spawned, where nobody here has sent KILL himself. */
export const watch = (
  client: DockerClient,
  id: string,
  spawned: Effect.Effect<Running, ExecError, Scope.Scope>
): Effect.Effect<Running, ExecError, Scope.Scope> =>
  Effect.gen(function* () {
    const place: Place = {
      client,
      id,
      since: Date.now(),
      scope: yield* Effect.scope,
      context: yield* Effect.context<never>()
    }
    return new Watched(yield* spawned, place)
  })

/** An object with methods: of ten thousand idle ones each would hold a closure for each of these. */
class Watched implements Running {
  readonly resize?: NonNullable<Running["resize"]>
  private readonly running: Running
  private readonly place: Place
  private isKilled = false
  private judged: Deferred.Deferred<ExitStatus> | undefined

  constructor(running: Running, place: Place) {
    this.running = running
    this.place = place
    if (running.resize !== undefined) this.resize = running.resize
  }

  get pid() {
    return this.running.pid
  }

  get pull() {
    return this.running.pull
  }

  get closeOutput() {
    return this.running.closeOutput
  }

  write(bytes: Uint8Array) {
    return this.running.write(bytes)
  }

  get closeStdin() {
    return this.running.closeStdin
  }

  get exited(): Effect.Effect<ExitStatus, ExecError> {
    return Effect.flatMap(this.running.exited, (status) => this.judge(status))
  }

  tell(listener: Listener): void {
    // The agent's processes have it.
    this.running.tell!({
      readable: () => listener.readable(),
      exited: (exit) => {
        if (Exit.isFailure(exit) || !this.isSuspicious(exit.value)) return listener.exited(exit)
        const told = Effect.map(this.judge(exit.value), (status) => listener.exited(Exit.succeed(status)))
        Effect.runForkWith(this.place.context)(told)
      }
    })
  }

  whenReadable(): boolean {
    return this.running.whenReadable!()
  }

  get treeEmpty() {
    return this.running.treeEmpty
  }

  signal(signal: Signal.Signal, scope: "process" | "tree") {
    return Effect.suspend(() => {
      this.isKilled ||= signal === "SIGKILL"
      return this.running.signal(signal, scope)
    })
  }

  private isSuspicious(status: ExitStatus): boolean {
    return status._tag === "Signaled" && status.signal === "SIGKILL" && (this.judged !== undefined || !this.isKilled)
  }

  // The engine is asked once, for whoever wants to know; in the scope of the process, not in the fiber of who came first.
  private judge(status: ExitStatus): Effect.Effect<ExitStatus> {
    return Effect.suspend(() => {
      if (!this.isSuspicious(status)) return Effect.succeed(status)
      if (this.judged !== undefined) return Deferred.await(this.judged)
      const { client, id, scope, since } = this.place
      // Nothing begins any more in a scope that was closed; that is what ended this process.
      if (scope.state._tag === "Closed") return Effect.succeed(status)
      const judged = (this.judged = Deferred.makeUnsafe<ExitStatus>())
      const ranOut = Effect.orElseSucceed(client.ranOutOfMemory(id, since), () => false)
      return deadline
        .within(ranOut, askMillis, () => Effect.succeed(false))
        .pipe(
          Effect.map((ranOut): ExitStatus =>
            ranOut && status._tag === "Signaled" ? { ...status, cause: "oom" } : status
          ),
          Effect.flatMap((status) => Deferred.succeed(judged, status)),
          Effect.ensuring(Deferred.succeed(judged, status)),
          Effect.forkIn(scope),
          Effect.andThen(Deferred.await(judged))
        )
    })
  }
}
