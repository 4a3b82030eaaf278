/**
 * A backend whose processes do nothing until they are ended: what is kept beside them is all that there is.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type Backend, ExitStatus } from "effect-exec"

let pids = 0

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
  spawn: () =>
    Effect.sync(() => {
      const end = Deferred.makeUnsafe<ExitStatus.ExitStatus>()
      const exited = Deferred.await(end)
      return {
        pid: ++pids,
        pull: Effect.andThen(exited, Cause.done()),
        closeOutput: Effect.void,
        write: () => Effect.void,
        closeStdin: Effect.void,
        exited,
        treeEmpty: Effect.asVoid(exited),
        signal: (signal) => Effect.asVoid(Deferred.succeed(end, ExitStatus.signaled(signal)))
      }
    })
}
