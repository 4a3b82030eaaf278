/**
 * What is installed on a simulated machine.
 */
import * as Effect from "effect/Effect"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { Program } from "../../Program.ts"
import type { Machine } from "./spawn.ts"

/** What a machine has. */
export interface Installed {
  readonly program: (command: Command) => Program | undefined
  readonly directories: ReadonlyArray<string>
  readonly users: ReadonlyArray<string>
  readonly notExecutable: ReadonlyArray<string>
}

const failure = (installed: Installed, command: Command): ExecError.Reason | undefined => {
  const [program] = command.argv
  const { cwd = "/", user } = command
  if (!installed.directories.includes(cwd)) return new ExecError.CwdNotFound({ cwd })
  if (user !== undefined && !installed.users.includes(user.split(":")[0]!)) return new ExecError.UserNotFound({ user })
  return installed.notExecutable.includes(program) ? new ExecError.PermissionDenied({ program }) : undefined
}

/** Finds what is installed, or says what is missing. */
export const find =
  (installed: Installed): Machine["find"] =>
  (command) =>
    Effect.suspend(() => {
      const program = installed.program(command)
      const reason =
        failure(installed, command) ??
        (program === undefined ? new ExecError.CommandNotFound({ program: command.argv[0] }) : undefined)
      return program === undefined || reason !== undefined
        ? Effect.fail(ExecError.make(reason!))
        : Effect.succeed(program)
    })
