/**
 * What strikes a process in the middle of its output.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Random } from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Output, Running, SpawnRequest } from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import * as ExitStatus from "effect-exec/ExitStatus"
import type { Signal } from "effect-exec/Signal"
import type { Fault } from "../../FaultyExec.ts"
import { pullOr } from "../pullOr.ts"
import { rangeOf } from "./check.ts"

type Lost = Deferred.Deferred<never, ExecError.ExecError>

/** Fails in everything as soon as the deferred does. */
export const loseWhen = (running: Running, lost: Lost): Running => {
  const gone = Deferred.await(lost)
  const orLost = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E | ExecError.ExecError> =>
    Effect.raceFirst(gone, effect)
  return {
    ...running,
    pull: pullOr(running.pull, gone),
    write: (bytes) => orLost(running.write(bytes)),
    closeStdin: orLost(running.closeStdin),
    exited: orLost(running.exited),
    treeEmpty: orLost(running.treeEmpty),
    signal: (signal, scope) => orLost(running.signal(signal, scope))
  }
}

/** Strikes a process when so much of its output was read. */
export const strike = (
  running: Running,
  request: SpawnRequest,
  fault: Extract<Fault, { readonly _tag: "Lose" | "Hang" | "Exit" }>,
  random: Random,
  { loss, note }: { readonly loss: ExecError.ExecError; readonly note: () => void }
): Effect.Effect<Running, never, Scope.Scope> => {
  const [min, max] = rangeOf(fault.after)
  const after = min + Math.floor(random.nextDoubleUnsafe() * (max - min + 1))
  if (fault._tag === "Lose") {
    const lost: Lost = Deferred.makeUnsafe()
    const lose = Effect.suspend(() => {
      if (!Deferred.isDoneUnsafe(lost)) note()
      return Effect.asVoid(Deferred.fail(lost, loss))
    })
    const losing = { ...running, pull: pullUpTo(running.pull, after, lose, Deferred.await(lost)) }
    return Effect.as(after === 0 ? lose : Effect.void, loseWhen(losing, lost))
  }
  return seize(running, request, after, fault._tag === "Exit" ? fault.status : undefined, note)
}

/** Gives just so many bytes, then does what is to be done, and ends as the last effect does. */
const pullUpTo = (
  pull: Running["pull"],
  after: number,
  strike: Effect.Effect<void>,
  end: Running["pull"]
): Running["pull"] => {
  let left = after
  const next: Running["pull"] = Effect.suspend(() =>
    left === 0
      ? Effect.andThen(strike, end)
      : Effect.flatMap(pull, (outputs) => {
          const kept: Array<Output> = []
          for (const { bytes, fd } of outputs) {
            if (left > 0) kept.push({ fd, bytes: bytes.length <= left ? bytes : bytes.slice(0, left) })
            left = Math.max(0, left - bytes.length)
          }
          const [first, ...rest] = kept
          return first === undefined ? next : Effect.succeed([first, ...rest] as const)
        })
  )
  return next
}

// What ends a process that does not trap it.
const ending: ReadonlySet<Signal> = new Set<Signal>(["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGKILL"])

/** Takes a process away from its program: from then on it ends as it is told here, or by the signal that comes. */
const seize = Effect.fnUntraced(function* (
  running: Running,
  { id, lingering }: SpawnRequest,
  after: number,
  end: ExitStatus.ExitStatus | undefined,
  note: () => void
): Effect.fn.Return<Running, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const status = Deferred.makeUnsafe<ExitStatus.ExitStatus>()
  const ended = Deferred.await(status)
  // Only once all output was read, up to its end or to the strike, is it known how the process ends.
  const isDecided = Latch.makeUnsafe(false)
  let isSeized = false

  const killTree = Effect.ignore(running.signal("SIGKILL", "tree"))
  const strike = Effect.suspend(() => {
    if (!isSeized) note()
    isSeized = true
    if (end !== undefined) Deferred.doneUnsafe(status, Effect.succeed(end))
    isDecided.openUnsafe()
    return Effect.forkIn(killTree, scope, { startImmediately: true })
  })
  const orSeized = <A, E>(effect: Effect.Effect<A, E>, seized: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (isSeized ? seized : effect))
  const gone = Effect.fail(ExecError.make(new ExecError.ProcessExited({ id })))

  if (after === 0) yield* strike
  // What outlives the process is killed as soon as that has exited, which cannot be told yet: its output has to end.
  if (lingering === "kill") {
    yield* Effect.forkIn(Effect.ignore(Effect.andThen(running.exited, killTree)), scope, { startImmediately: true })
  }
  return {
    ...running,
    pull: pullUpTo(running.pull, after, Effect.asVoid(strike), Effect.andThen(ended, Cause.done())).pipe(
      Effect.tapCause((cause) => (Cause.hasInterrupts(cause) ? Effect.void : isDecided.open))
    ),
    write: (bytes) => orSeized(running.write(bytes), Effect.andThen(ended, gone)),
    closeStdin: orSeized(running.closeStdin, Effect.void),
    exited: Effect.andThen(isDecided.await, orSeized(running.exited, ended)),
    treeEmpty: orSeized(running.treeEmpty, Effect.asVoid(ended)),
    signal: (signal, signalScope) =>
      orSeized(
        running.signal(signal, signalScope),
        Effect.sync(() => {
          if (ending.has(signal)) Deferred.doneUnsafe(status, Effect.succeed(ExitStatus.signaled(signal)))
        })
      )
  }
})
