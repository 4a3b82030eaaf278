/**
 * From what the agent says to the reason why.
 */
import * as Effect from "effect/Effect"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { PipeFailure } from "../Pipe.ts"
import { type Found, missingInterpreter } from "./lookup.ts"
import { stages } from "./protocol.ts"
import type { Standstill } from "./silence.ts"

/** How a connection ended. */
export interface Loss extends PipeFailure {
  readonly code: string
  readonly text: string
}

export const connectionLost = (backend: string, loss: Loss, started: boolean): ExecError.ExecError =>
  ExecError.make(new ExecError.ConnectionLost({ started, detail: { backend, ...loss } }))

/** While a place stands still. When what was asked for may have reached it, it is ended as soon as the place goes on. */
export const notRunning = (backend: string, { sandbox, state }: Standstill, mayHaveStarted = false) =>
  ExecError.make(
    new ExecError.SandboxNotRunning({
      sandbox,
      state,
      ...(mayHaveStarted ? { mayHaveStarted } : {}),
      detail: { backend }
    })
  )

/** What a new command fails with when the agent is gone. */
export const gone = (backend: string, loss: Loss): ExecError.ExecError =>
  ExecError.make(
    new ExecError.BackendUnavailable({
      backend,
      hint: "The agent that starts its commands has ended; connect to a new one.",
      detail: { backend, ...loss }
    })
  )

// What the search for the program says when it found none, or met what it may not look into.
const notFound = new Set(["ENOENT", "ENOTDIR", "EACCES"])

/**
 * The reason of a FAILED frame. `find` looks the program up as the kernel did: it has one word, ENOENT, for a missing
 * program and for a script whose interpreter is missing.
 */
export const startFailure = (
  backend: string,
  { argv: [program], cwd, user }: Command,
  directory: string,
  { stage, error }: { readonly stage: number; readonly error: string },
  find: Effect.Effect<Found | undefined, ExecError.ExecError>
): Effect.Effect<never, ExecError.ExecError> => {
  const detail = { backend, code: error }
  const failed = (text?: string) =>
    fail(new ExecError.StartFailed({ program, detail: text === undefined ? detail : { ...detail, text } }))
  switch (stage) {
    case stages.cwd:
      return fail(new ExecError.CwdNotFound({ cwd: cwd ?? directory, detail }))
    case stages.user:
      return error === "ENOENT"
        ? fail(new ExecError.UserNotFound({ user: user ?? "" }))
        : failed(`the agent may not change to the user ${user ?? ""}`)
    case stages.tty:
      return failed("no terminal is to be had")
    case stages.fork:
      return failed("no process, pipe or memory is to be had")
    case stages.limits:
      return failed("its limits could not be set")
    default:
      if (!notFound.has(error)) return failed()
      return Effect.flatMap(find, (found) =>
        found === undefined
          ? fail(new ExecError.CommandNotFound({ program }))
          : error === "EACCES"
            ? fail(new ExecError.PermissionDenied({ program, detail }))
            : failed(missingInterpreter(found))
      )
  }
}

const fail = (reason: ExecError.Reason): Effect.Effect<never, ExecError.ExecError> =>
  Effect.fail(ExecError.make(reason))
