/**
 * The environment of a command, from flags and files. Its values may be secrets: none of them appears in a message.
 */
import * as Fs from "node:fs"
import { parseEnv } from "node:util"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Failure, refuse } from "./failure.ts"

type Variable = readonly [name: string, value: string]

const fromFile = (path: string): Effect.Effect<ReadonlyArray<Variable>, Failure> =>
  Effect.try({
    try: () => Object.entries(parseEnv(Fs.readFileSync(path, "utf8"))) as ReadonlyArray<Variable>,
    catch: (cause) =>
      new Failure({ message: `--env-file ${path} cannot be read: ${(cause as NodeJS.ErrnoException).code}` })
  })

// Without a value it is this program's own variable, so that a secret need not stand in anybody's argv.
const fromFlag = (flag: string): Effect.Effect<ReadonlyArray<Variable>, Failure> => {
  const at = flag.indexOf("=")
  if (at === 0) return refuse("--env takes NAME=VALUE, or NAME for the variable of this name here")
  if (at > 0) return Effect.succeed([[flag.slice(0, at), flag.slice(at + 1)]])
  const value = process.env[flag]
  return value === undefined
    ? refuse(`--env ${flag}: no such variable is set here; --env ${flag}=VALUE sets it there`)
    : Effect.succeed([[flag, value]])
}

/** The variables of all files and flags; a later one wins, and a flag over a file. */
export const make = (
  files: ReadonlyArray<string>,
  flags: ReadonlyArray<string>
): Effect.Effect<Readonly<Record<string, Redacted.Redacted<string>>>, Failure> =>
  Effect.map(Effect.all([...files.map(fromFile), ...flags.map(fromFlag)]), (variables) =>
    Object.fromEntries(variables.flat().map(([name, value]) => [name, Redacted.make(value)]))
  )
