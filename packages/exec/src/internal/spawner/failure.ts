/**
 * What `Exec` could not do, in the words of `effect/process`.
 */
import * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as CommandLine from "effect/process/CommandLine"
import type { ExecError } from "../../ExecError.ts"
import { tagOf } from "../errno.ts"

/** Nothing was started, because of what was asked. */
export const badArgument = (method: string, description: string, cause?: unknown): PlatformError.PlatformError =>
  PlatformError.badArgument({ module: "ChildProcess", method, description, ...(cause === undefined ? {} : { cause }) })

/** The command as one can read it, without its secrets. */
const display = ({ args, command }: ChildProcess.StandardCommand): string => CommandLine.display([command, ...args])

/** Something went wrong for which the platform has no reason of its own; the cause says what. */
export const unknown = (
  method: string,
  command: ChildProcess.StandardCommand,
  cause: Error
): PlatformError.PlatformError =>
  PlatformError.systemError({
    _tag: "Unknown",
    module: "ChildProcess",
    method,
    pathOrDescriptor: display(command),
    description: cause.message,
    cause
  })

/** The platform's error for one of `Exec`, which is its cause. */
export const fromExec =
  (method: string, command: ChildProcess.StandardCommand) =>
  (error: ExecError): PlatformError.PlatformError => {
    const { message, reason } = error
    const failed = (tag: PlatformError.SystemErrorTag) =>
      PlatformError.systemError({
        _tag: tag,
        module: "ChildProcess",
        method,
        pathOrDescriptor: display(command),
        ...(method === "spawn" && "program" in reason ? { syscall: `spawn ${reason.program}` } : {}),
        description: message,
        cause: error
      })
    switch (reason._tag) {
      case "InvalidCommand":
      case "Unsupported":
        return badArgument(method, message, error)
      case "CommandNotFound":
        return failed("NotFound")
      case "PermissionDenied":
        return failed("PermissionDenied")
      case "CwdNotFound":
        return PlatformError.systemError({
          _tag: tagOf(reason.detail?.code ?? "ENOENT"),
          module: "FileSystem",
          method: "access",
          pathOrDescriptor: reason.cwd,
          description: message,
          cause: error
        })
      default:
        return failed(tagOf(reason.detail?.code))
    }
  }
