/**
 * Commands of which each reads what the one before it writes.
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, makeHandle } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import type { Exec } from "../../Exec.ts"
import { badArgument } from "./failure.ts"
import { type Plan, plan } from "./plan.ts"
import * as Process from "./process.ts"

/** A command of a pipeline, and what it reads of the one before it. */
interface Stage {
  readonly source: ChildProcess.StandardCommand
  readonly pipe: ChildProcess.PipeOptions
}

// A pipe between two pipelines joins the last of the one and the first of the other.
const stagesOf = (command: ChildProcess.Command, pipe: ChildProcess.PipeOptions): ReadonlyArray<Stage> =>
  command._tag === "StandardCommand"
    ? [{ source: command, pipe }]
    : [...stagesOf(command.left, pipe), ...stagesOf(command.right, command.options)]

const checked = ({ pipe, source }: Stage): Effect.Effect<Plan, PlatformError> => {
  const { from = "stdout", to = "stdin" } = pipe
  return (from === "stdout" || from === "stderr" || from === "all") && to === "stdin"
    ? plan(source)
    : Effect.fail(
        badArgument(
          "spawn",
          `A pipe from ${from} to ${to} is not supported: a command in a sandbox has no other descriptors`
        )
      )
}

/** Starts a command, or all of a pipeline; the scope owns them. Each is checked before the first one starts. */
export const spawn =
  (exec: Exec["Service"]) =>
  (command: ChildProcess.Command): Effect.Effect<ChildProcessHandle, PlatformError, Scope.Scope> => {
    const stages = stagesOf(command, {})
    return Effect.gen(function* () {
      const plans = yield* Effect.forEach(stages, checked)
      const handles: Array<ChildProcessHandle> = []
      for (const [index, plan] of plans.entries()) {
        const before = handles.at(-1)
        const stream = before?.[(stages[index]!.pipe.from ?? "stdout") as "stdout" | "stderr" | "all"]
        handles.push(
          yield* Process.spawn(exec, stream === undefined ? plan : { ...plan, stdin: { ...plan.stdin, stream } })
        )
      }
      const first = handles[0]!
      const last = handles.at(-1)!
      return handles.length === 1
        ? first
        : makeHandle({
            ...last,
            stdin: first.stdin,
            kill: (options) =>
              Effect.forEach(handles.toReversed(), (handle) => Effect.ignore(handle.kill(options)), { discard: true })
          })
    })
  }
