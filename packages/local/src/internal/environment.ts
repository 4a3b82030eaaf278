/**
 * The environment of a command: little of the host's, so that its secrets do not reach every command by accident.
 */
import * as Redacted from "effect/Redacted"
import type * as Command from "effect-exec/Command"

/** Variable names with their values. */
export type Environment = Readonly<Record<string, string>>

const inherited = ["PATH", "HOME", "LANG", "TMPDIR"]

/** What a command gets of this process's environment: PATH, HOME, LANG and TMPDIR, where they are set. */
export const base = (): Environment =>
  Object.fromEntries(inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])))

/** The base with the command's own variables; `undefined` takes one away. */
export const of = (initial: Environment, command: Command.Command): Record<string, string | undefined> => {
  const all: Record<string, string | undefined> = Object.assign(Object.create(null), initial)
  for (const [name, value] of Object.entries(command.env ?? {})) {
    all[name] = Redacted.isRedacted(value) ? Redacted.value(value) : value
  }
  // Node hands this variable of its own environment down unless it is present here; `undefined` is, and sets nothing.
  all["NODE_V8_COVERAGE"] ??= undefined
  return all
}
