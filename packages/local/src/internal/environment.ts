/**
 * The environment of a command: little of the host's, so that its secrets do not reach every command by accident.
 */
import * as Command from "effect-exec/Command"

/** Variable names with their values. */
export type Environment = Readonly<Record<string, string>>

const inherited = ["PATH", "HOME", "LANG", "TMPDIR"]

/** What a command gets of this process's environment: PATH, HOME, LANG and TMPDIR, where they are set. */
export const base = (): Environment =>
  Object.fromEntries(inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))

/** The environment of a command, as Node takes it. */
export const of = (initial: Environment, command: Command.Command): Record<string, string | undefined> => {
  const all: Record<string, string | undefined> = Command.environment(command, initial)
  // Node hands this variable of its own environment down unless it is present here; `undefined` is, and sets nothing.
  all["NODE_V8_COVERAGE"] ??= undefined
  return all
}
