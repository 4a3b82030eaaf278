/**
 * Where the flags of this program end, and the command begins.
 */
import * as Completions from "effect/cli/Completions"
import type * as Verb from "effect/cli/Command"

const globalFlagsWithValue = ["--log-level", "--completions"]

/**
 * Puts `--` before a command, where it was left out: as with `env`, `timeout` or `ssh`, the first word that is no flag
 * of ours begins it, and the flags behind that are its own.
 */
export const separate = (root: Verb.Command.Any, argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const at = argv.findIndex((word) => !word.startsWith("-"))
  const verb = Completions.fromCommand(root).subcommands.find(({ name }) => name === argv[at])
  if (verb === undefined || !verb.arguments.some(({ variadic }) => variadic)) return argv
  const withValue = new Set([
    ...globalFlagsWithValue,
    ...verb.flags
      .filter(({ type }) => type._tag !== "Boolean")
      .flatMap(({ aliases, name }) => [`--${name}`, ...aliases.map((alias) => `-${alias}`)])
  ])
  for (let index = at + 1; index < argv.length; index++) {
    const word = argv[index]!
    if (word === "--") break
    if (withValue.has(word)) index++
    else if (word === "-" || !word.startsWith("-")) return [...argv.slice(0, index), "--", ...argv.slice(index)]
  }
  return argv
}
