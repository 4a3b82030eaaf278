/**
 * Any `Exec` as a backend, so that what wraps one has a single primitive to wrap, and all that is derived from it
 * (rings, tags, timeouts, results) is the real thing on top.
 *
 * The policy is then the wrapper's: the `Exec` below is told to enforce nothing but the end of its scope.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Backend, Output, Running, SpawnRequest } from "effect-exec/Backend"
import type { Exec } from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import type { Process } from "effect-exec/Process"
import { pullOr } from "./pullOr.ts"

/** The backend that an `Exec` amounts to. What it starts, the scope of the start owns, so that it is never remote. */
export const asBackend = (exec: Exec["Service"], name: string): Backend => ({
  name,
  capabilities: Effect.map(exec.capabilities, (capabilities) => ({ ...capabilities, detach: "layer" })),
  spawn: (request) => spawn(exec, request)
})

const spawn = Effect.fnUntraced(function* (
  exec: Exec["Service"],
  { command, id, lingering, stdin }: SpawnRequest
): Effect.fn.Return<Running, ExecError, Scope.Scope> {
  const process = yield* exec.spawn(command, {
    id,
    // Whether to kill what outlives the process is decided above. To leave it is what only the owner of the tree can do.
    lingering: lingering === "leave" ? "leave" : "drain",
    ...(stdin === "none" ? {} : { stdin: "open" }),
    // Whoever closes the scope without having ended the tree wants it gone.
    grace: 0
  })
  const closed = Latch.makeUnsafe(false)
  const running: Running = {
    pid: process.pid,
    pull: makePull(yield* Stream.toPull(process.events), closed.await),
    closeOutput: closed.open,
    write: (bytes) => process.write(bytes),
    closeStdin: process.closeStdin,
    exited: process.wait,
    // What runs goes on, and what was stopped has to be continued anyway before it can end.
    treeEmpty: end(process, "SIGCONT"),
    signal: (signal, scope) =>
      scope === "tree" && signal === "SIGKILL" ? end(process, signal) : process.kill({ signal, scope })
  }
  return command.tty === undefined ? running : { ...running, resize: (size) => process.resize(size) }
})

const end = (process: Process, signal: string) => process.kill({ signal, scope: "tree", grace: Duration.infinity })

const makePull = (
  events: Pull.Pull<Arr.NonEmptyReadonlyArray<ExecEvent>, ExecError>,
  closed: Effect.Effect<void>
): Running["pull"] => {
  const read = Effect.flatMap(events, (chunk) => {
    const outputs = chunk.flatMap((event): ReadonlyArray<Output> => {
      switch (event._tag) {
        case "Stdout":
          return [{ fd: 1, bytes: event.bytes }]
        case "Stderr":
          return [{ fd: 2, bytes: event.bytes }]
        default:
          return []
      }
    })
    // Somebody still holds the output open, which is for the policy above to notice and to end.
    const isHeldOpen = chunk.some((event) => event._tag === "Exited" && event.incomplete)
    return outputs.length === 0 && isHeldOpen ? Effect.never : Effect.succeed(outputs)
  })
  return pullOr(read, Effect.andThen(closed, Cause.done()))
}
