/**
 * The exit codes of this program: the process's own, and those that `timeout`, `env` and shells have always used for
 * what is not its doing.
 */
import type { ExecError } from "effect-exec/ExecError"
import type { Exited } from "effect-exec/ExecEvent"
import { toCode } from "effect-exec/ExitStatus"

/** Its time was over. */
export const timedOut = 124
/** This program could not do what it was told: wrong usage, no such place, a lost connection, a limit reached. */
export const failed = 125
/** The command exists, but could not be executed. */
export const notExecutable = 126
/** The command does not exist. */
export const notFound = 127
/** Whoever read this program's output has gone: 128 + SIGPIPE, as shells say it of any other. */
export const brokenPipe = 141

/** The exit code that tells how a process ended. */
export const ofEnd = ({ endedBy, status }: Pick<Exited, "endedBy" | "status">): number =>
  // What was cut off is no success, whatever the process itself says of it.
  endedBy === "timeout" ? timedOut : endedBy === "maxOutput" ? failed : toCode(status)

/** The exit code that tells why a command was not started, or not followed to its end. */
export const ofError = ({ reason }: ExecError): number => {
  switch (reason._tag) {
    case "CommandNotFound":
      return notFound
    case "PermissionDenied":
    case "StartFailed":
      return notExecutable
    case "WaitTimedOut":
      return timedOut
    default:
      return failed
  }
}
