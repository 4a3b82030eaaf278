/**
 * What happens to a process, written down as it is observed.
 */
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type { Running } from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import type { Entry, Recording, Start } from "../../Cassette.ts"
import type { ProcessClock } from "./clock.ts"

type Happening = Entry extends infer E ? (E extends unknown ? Omit<E, "at"> : never) : never

/** A recording in the making. */
export interface Draft extends Recording {
  start: Start
  readonly entries: Array<Entry>
}

/** Whether what outlives the process is meant to: only then is it of interest what is still done to it. */
export const outlives = ({ lingering }: Start): boolean => lingering === "drain" || lingering === "await"

/** A process that is watched. What becomes known of it goes into the draft, and moves its clock. */
export const watch = (running: Running, draft: Draft, clock: ProcessClock, real: Clock.Clock): Running => {
  const startedAt = real.monotonicTimeNanosUnsafe()
  let hasExited = false
  const once = new Set<string>()
  const note = (happening: Happening): void => {
    const at = Number(real.monotonicTimeNanosUnsafe() - startedAt) / 1e6
    draft.entries.push({ at, ...happening } as Entry)
    clock.advance(at)
  }
  const noteOnce = (
    kind: "end" | "exited" | "treeEmpty" | "stdinEnd" | "stdinClosed" | "lost",
    value: unknown
  ): void => {
    if (once.has(kind)) return
    once.add(kind)
    note({ [kind]: value } as Happening)
  }
  const noteLoss = <A>(effect: Effect.Effect<A, ExecError.ExecError>): Effect.Effect<A, ExecError.ExecError> =>
    Effect.tapError(effect, ({ reason }) => Effect.sync(() => noteOnce("lost", reason)))

  return {
    ...running,
    pull: running.pull.pipe(
      Effect.tap((outputs) =>
        Effect.sync(() => {
          for (const { bytes, fd } of outputs) note(fd === 1 ? { stdout: bytes } : { stderr: bytes })
        })
      ),
      Effect.tapCause((cause) =>
        Effect.sync(() => {
          if (Pull.isDoneCause(cause)) noteOnce("end", true)
          const failure = cause.reasons.find(Cause.isFailReason)?.error
          if (ExecError.isExecError(failure)) noteOnce("lost", failure.reason)
        })
      )
    ),
    write: (bytes) =>
      Effect.suspend(() => {
        note({ stdin: bytes })
        return Effect.tapError(running.write(bytes), ({ reason }) =>
          Effect.sync(() =>
            reason._tag === "ProcessExited" ? noteOnce("stdinClosed", true) : noteOnce("lost", reason)
          )
        )
      }),
    closeStdin: Effect.suspend(() => {
      noteOnce("stdinEnd", true)
      return running.closeStdin
    }),
    exited: noteLoss(
      Effect.tap(running.exited, (status) =>
        Effect.sync(() => {
          hasExited = true
          noteOnce("exited", status)
        })
      )
    ),
    treeEmpty: Effect.tap(running.treeEmpty, () => Effect.sync(() => noteOnce("treeEmpty", true))),
    signal: (signal, to) =>
      Effect.suspend(() => {
        if (!hasExited || outlives(draft.start)) note({ signal, to })
        return running.signal(signal, to)
      }),
    ...(running.resize === undefined
      ? {}
      : {
          resize: (size) =>
            Effect.suspend(() => {
              note({ resize: size })
              return running.resize!(size)
            })
        })
  }
}
