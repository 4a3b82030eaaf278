/**
 * An `Exec` that starts no command that is too large, and none that is one too many.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Command } from "effect-exec/Command"
import { Exec } from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import type { DetachOptions, ExecOptions } from "effect-exec/ExecOptions"
import type { Limits } from "../Limits.ts"

// The detached processes are counted by those who keep them, but not more often than this, in milliseconds.
const countEvery = 100

const bytesOf = (text: string): number => Buffer.byteLength(text)

const tooLarge = (field: string, problem: string) =>
  Effect.fail(
    ExecError.make(new ExecError.InvalidCommand({ field, problem: `${problem}, which this server does not take` }))
  )

const checked = (
  { cwd = "", env = {}, user = "" }: Command,
  { grace }: ExecOptions<unknown, unknown>,
  limits: Limits
): Effect.Effect<void, ExecError.ExecError> => {
  if (bytesOf(cwd) > limits.path) return tooLarge("cwd", `it has more than ${limits.path} bytes`)
  if (bytesOf(user) > limits.path) return tooLarge("user", `it has more than ${limits.path} bytes`)
  let size = 0
  for (const [name, value] of Object.entries(env)) {
    const text = Redacted.isRedacted(value) ? Redacted.value(value) : (value ?? "")
    size += bytesOf(name) + bytesOf(text)
  }
  if (size > limits.environment) return tooLarge("env", `it has more than ${limits.environment} bytes`)
  if (grace !== undefined && Duration.toMillis(Duration.fromInputUnsafe(grace)) > limits.termination) {
    return tooLarge("grace", `it is longer than ${limits.termination} ms`)
  }
  return Effect.void
}

/** Guards what starts commands; all else is left as it is. */
export const make = (exec: Exec["Service"], limits: Limits): Exec["Service"] => {
  const most = limits.processes
  const reached = Effect.fail(ExecError.make(new ExecError.LimitReached({ limit: `${most} processes of a capsule` })))
  // What callers hold, exactly, and at most how many detached ones there are.
  let held = 0
  let detached = 0
  let countedAt = -Infinity

  const recount = Effect.suspend(() => {
    countedAt = performance.now()
    const before = detached
    // Those that start meanwhile may or may not be in the list.
    return Effect.map(exec.list(), (running) => (detached = running.length + detached - before))
  })
  const room = Effect.suspend(() => {
    if (held + detached < most) return Effect.void
    if (performance.now() - countedAt < countEvery) return reached
    return Effect.flatMap(recount, () => (held + detached < most ? Effect.void : reached))
  })
  const admit = (command: Command, options: ExecOptions<unknown, unknown> = {}) =>
    Effect.andThen(checked(command, options, limits), room)
  // While the scope is open.
  const hold: Effect.Effect<void, never, Scope.Scope> = Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => held++),
      () => Effect.sync(() => held--)
    )
  )

  return {
    ...exec,
    spawn: (command, options) =>
      Effect.andThen(admit(command, options), Effect.andThen(hold, exec.spawn(command, options))),
    run: (command, options) =>
      Effect.andThen(admit(command, options), Effect.scoped(Effect.andThen(hold, exec.run(command, options)))),
    stream: (command, options) =>
      Stream.unwrap(Effect.as(Effect.andThen(admit(command, options), hold), exec.stream(command, options))),
    detach: <E = never, R = never>(command: Command, options: DetachOptions<E, R> = {}) =>
      Effect.suspend(() => {
        if ((options.ring ?? 0) > limits.ring) return tooLarge("ring", `it has more than ${limits.ring} bytes`)
        return Effect.andThen(
          admit(command, options),
          Effect.suspend(() => {
            detached++
            return Effect.tapCause(exec.detach(command, options), () => Effect.sync(() => detached--))
          })
        )
      })
  }
}
