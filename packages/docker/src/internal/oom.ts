/**
 * Says of a death by KILL whether it was for want of memory: the kernel sends the same signal as everybody.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Running } from "effect-exec/Backend"
import type { ExecError } from "effect-exec/ExecError"
import type { ExitStatus } from "effect-exec/ExitStatus"
import type { DockerClient } from "../DockerClient.ts"
import * as deadline from "./deadline.ts"

/** An end is not held up longer than this by an engine that does not answer. */
const askMillis = 2000

/** Watches what is spawned, where nobody here has sent KILL himself. */
export const watch = (
  client: DockerClient,
  id: string,
  spawned: Effect.Effect<Running, ExecError, Scope.Scope>
): Effect.Effect<Running, ExecError, Scope.Scope> =>
  Effect.suspend(() => {
    const since = Date.now()
    return Effect.map(spawned, (running) => {
      let killed = false
      let known: ExitStatus | undefined
      const judge = (status: ExitStatus): Effect.Effect<ExitStatus> => {
        if (known !== undefined) return Effect.succeed(known)
        if (status._tag !== "Signaled" || status.signal !== "SIGKILL" || killed) return Effect.succeed(status)
        const ranOut = Effect.orElseSucceed(client.ranOutOfMemory(id, since), () => false)
        return deadline
          .within(ranOut, askMillis, () => Effect.succeed(false))
          .pipe(Effect.map((ranOut): ExitStatus => (known = ranOut ? { ...status, cause: "oom" } : status)))
      }
      return {
        pid: running.pid,
        pull: running.pull,
        closeOutput: running.closeOutput,
        write: (bytes) => running.write(bytes),
        closeStdin: running.closeStdin,
        exited: Effect.flatMap(running.exited, judge),
        treeEmpty: running.treeEmpty,
        signal: (signal, scope) => {
          killed ||= signal === "SIGKILL"
          return running.signal(signal, scope)
        },
        ...(running.resize === undefined ? {} : { resize: running.resize })
      }
    })
  })
