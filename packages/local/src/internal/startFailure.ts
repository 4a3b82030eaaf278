/**
 * From what Node reports when a program does not start to the reason why.
 */
import { getSystemErrorMessage } from "node:util"
import type * as Command from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import * as Lookup from "./lookup.ts"

/** Where and with what PATH the program was to start. */
export interface Attempt {
  readonly command: Command.Command
  /** `undefined`: where this process is. */
  readonly cwd: string | undefined
  readonly path: string | undefined
}

/** `CwdNotFound` when the directory of the attempt cannot be entered. */
const cwdFailure = ({ command, cwd }: Attempt): ExecError.ExecError | undefined => {
  const code = cwd === undefined ? undefined : Lookup.directoryProblem(cwd)
  return code === undefined
    ? undefined
    : ExecError.make(new ExecError.CwdNotFound({ cwd: command.cwd ?? cwd!, detail: { backend: "local", code } }))
}

/** The reason, from the error that Node threw or emitted. */
export const fromNode = (cause: NodeJS.ErrnoException, attempt: Attempt): ExecError.ExecError => {
  const [program] = attempt.command.argv
  const failed = (text: string) =>
    ExecError.make(
      new ExecError.StartFailed({ program, detail: { backend: "local", code: cause.code ?? "unknown", text } })
    )
  // Only the kernel's own errors have a number. Node's words for the others quote the value, which may be a secret.
  if (typeof cause.errno !== "number") return failed("Node refused to start it")
  const text = getSystemErrorMessage(cause.errno) ?? ""
  if (cause.code !== "ENOENT" && cause.code !== "ENOTDIR" && cause.code !== "EACCES") return failed(text)
  // A directory that cannot be entered is reported as a program that cannot be started.
  const noDirectory = cwdFailure(attempt)
  if (noDirectory !== undefined) return noDirectory
  const file = Lookup.programFile(program, attempt.path, attempt.cwd)
  if (file === undefined) return ExecError.make(new ExecError.CommandNotFound({ program }))
  // EACCES is also the answer when the search passed a directory of the PATH that may not be read.
  return cause.code === "EACCES"
    ? ExecError.make(new ExecError.PermissionDenied({ program, detail: { backend: "local", code: "EACCES", text } }))
    : failed(Lookup.missingInterpreter(file))
}
