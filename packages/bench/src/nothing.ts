/**
 * A backend whose processes do nothing until they are ended: what is kept beside them is all that there is.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Backend, ExitStatus, type Signal } from "effect-exec"

let pids = 0

class Nothing implements Backend.Running {
  readonly pid = ++pids
  private readonly end = Deferred.makeUnsafe<ExitStatus.ExitStatus>()
  private listener: Backend.Listener | undefined
  private hasEnded = false

  get pull(): Backend.Running["pull"] {
    return Effect.andThen(this.exited, Cause.done())
  }
  get closeOutput() {
    return Effect.void
  }
  write() {
    return Effect.void
  }
  get closeStdin() {
    return Effect.void
  }
  get exited() {
    return Deferred.await(this.end)
  }
  tell(listener: Backend.Listener): void {
    this.listener = listener
  }
  whenReadable(): boolean {
    return !this.hasEnded
  }
  get treeEmpty() {
    return Effect.asVoid(this.exited)
  }
  signal(signal: Signal.Signal) {
    return Effect.sync(() => {
      if (this.hasEnded) return
      this.hasEnded = true
      const exit = Exit.succeed(ExitStatus.signaled(signal))
      this.listener?.exited(exit)
      Deferred.doneUnsafe(this.end, exit)
    })
  }
}

export const backend: Backend.Backend = {
  name: "nothing",
  capabilities: Effect.succeed({
    tree: "exact",
    exit: "exact",
    stdin: "stream",
    tty: "none",
    user: "none",
    detach: "layer",
    pidReuse: "exact"
  }),
  spawn: () => Effect.sync(() => new Nothing())
}
