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
import type { Running } from "./flags.ts"
import * as Place from "./place.ts"
import * as Settings from "./settings.ts"
import * as Terminal from "./terminal.ts"

const checked = ({ json, stdin, tty }: Running): Effect.Effect<void, Failure> => {
  if (Option.isSome(stdin) && stdin.value !== "-") return refuse("--stdin takes only -: use --stdin - <FILE")
  return json && tty ? refuse("--json and --tty exclude each other: keys and JSON do not mix") : Effect.void
}

// A program on a terminal asks these what it may do there.
const terminalVariables = ["TERM", "COLORTERM"]

const commandOf = (flags: Running): Effect.Effect<Command, Failure> =>
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

const stdinOf = ({ stdin, tty }: Running): Options["stdin"] =>
  tty && process.stdin.isTTY ? Terminal.keys : Option.isSome(stdin) ? Terminal.input : undefined

/** The place that is meant. */
export const place = (on: Option.Option<string>): Effect.Effect<Place.Place, Failure> =>
  Option.match(on, {
    onSome: Place.parse,
    onNone: () => Effect.flatMap(Settings.load, ({ on = "local" }) => Place.parse(on))
  })

/** Whether a command has limits that nobody set: those of the library's `run`, or none. */
export type Bounds = "bounded" | "unbounded"

/** What is asked for. Fails for what is not understood, before anything starts. */
export const make = (flags: Running, bounds: Bounds): Effect.Effect<Request, Failure> =>
  Effect.gen(function* () {
    yield* checked(flags)
    const settings = yield* Settings.load
    const defaults = yield* Exec.Defaults
    // Who sits at a terminal ends it himself.
    const limits = bounds === "bounded" && !flags.tty ? { ...defaults, ...settings } : undefined
    return {
      place: yield* place(flags.on),
      command: yield* commandOf(flags),
      options: {
        stdin: stdinOf(flags),
        timeout: Option.getOrElse(flags.timeout, () => limits?.timeout),
        grace: Option.getOrElse(flags.grace, () => settings.grace ?? defaults.grace),
        maxOutput: Option.getOrElse(flags.maxOutput, () => limits?.maxOutput)
      }
    }
  })
