/**
 * From flags and settings to what is asked for.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Command } from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as Environment from "./environment.ts"
import type { Options, Request } from "./execute.ts"
import { type Failure, refuse } from "./failure.ts"
import type * as Flags from "./flags.ts"
import * as Place from "./place.ts"
import * as Settings from "./settings.ts"
import * as Terminal from "./terminal.ts"

// A program on a terminal asks these what it may do there.
const terminalVariables = ["TERM", "COLORTERM"]

/** What is to run. */
export const command = (flags: Flags.Command): Effect.Effect<Command, Failure> =>
  Effect.map(
    Environment.make(flags.envFile, [
      ...(flags.tty ? terminalVariables.filter((name) => process.env[name] !== undefined) : []),
      ...flags.env
    ]),
    (env) => ({
      argv: flags.command as unknown as Command["argv"],
      env,
      ...Option.match(flags.cwd, { onNone: () => ({}), onSome: (cwd) => ({ cwd }) }),
      ...Option.match(flags.user, { onNone: () => ({}), onSome: (user) => ({ user }) }),
      ...(flags.tty ? { tty: Terminal.size() } : {})
    })
  )

const stdinOf = ({ stdin, tty }: Flags.Running): Options["stdin"] =>
  tty && process.stdin.isTTY ? Terminal.keys : stdin ? Terminal.input : undefined

/** Whether a command has limits that nobody set: those of the library's `run`, or none. */
export type Bounds = "bounded" | "unbounded"

/** What is asked for. Fails for what is not understood, before anything starts. */
export const make = (flags: Flags.Running, bounds: Bounds): Effect.Effect<Request, Failure> =>
  Effect.gen(function* () {
    if (flags.json && flags.tty) return yield* refuse("--json and --tty exclude each other: keys and JSON do not mix")
    const settings = yield* Settings.load
    const defaults = yield* Exec.Defaults
    // Who sits at a terminal ends it himself.
    const limits = bounds === "bounded" && !flags.tty ? { ...defaults, ...settings } : undefined
    return {
      place: yield* Place.given(flags),
      command: yield* command(flags),
      options: {
        stdin: stdinOf(flags),
        timeout: Option.getOrElse(flags.timeout, () => limits?.timeout),
        grace: Option.getOrElse(flags.grace, () => settings.grace ?? defaults.grace),
        maxOutput: Option.getOrElse(flags.maxOutput, () => limits?.maxOutput)
      }
    }
  })
