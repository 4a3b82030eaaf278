/**
 * The flags that verbs share.
 */
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import type * as Verb from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Place from "./place.ts"
import * as Quantity from "./quantity.ts"

const text = (name: string, metavar: string, description: string) =>
  Flag.String(name).pipe(Flag.withMetavar(metavar), Flag.withDescription(description))

const quantity = <A>(
  name: string,
  metavar: string,
  description: string,
  parse: (text: string) => Quantity.Parsed<A>
): Flag.Flag<Option.Option<A>> =>
  text(name, metavar, description).pipe(
    Flag.mapEffect((text) =>
      Effect.fromResult(
        Result.mapError(
          parse(text),
          (problem) => new CliError.ValidationError({ message: `--${name}: ${JSON.stringify(text)} ${problem}` })
        )
      )
    ),
    Flag.optional
  )

const repeated = (name: string, metavar: string, description: string) =>
  text(name, metavar, description).pipe(Flag.atLeast(0))

/** What `--json` says. */
export const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print JSON, one event a line"),
  Flag.withDefault(false)
)

/** What `--on` says. */
export const on = text("on", "PLACE", `Where: ${Place.kinds.map(({ form }) => form).join(", ")}`).pipe(Flag.optional)

/** What to run, where and how. */
export const running = {
  on,
  env: repeated("env", "NAME[=VALUE]", "Set a variable; NAME alone takes its value from here"),
  envFile: repeated("env-file", "FILE", "Set the variables in a file"),
  cwd: text("cwd", "DIRECTORY", "Where it starts").pipe(Flag.optional),
  user: text("user", "USER[:GROUP]", "Whom it runs as").pipe(Flag.optional),
  timeout: quantity("timeout", "DURATION", "End it after 500ms, 30s, 5m; none is no limit", Quantity.duration),
  grace: quantity("grace", "DURATION", "From TERM to KILL when it is ended; 2s unless set", Quantity.duration),
  maxOutput: quantity("max-output", "SIZE", "End it past 500kB, 10MiB of output; none is no limit", Quantity.bytes),
  stdin: text("stdin", "-", "Let it read from standard input").pipe(Flag.optional),
  tty: Flag.Boolean("tty").pipe(
    Flag.withAlias("t"),
    Flag.withDescription("Give it a terminal, this one where there is one"),
    Flag.withDefault(false)
  ),
  json,
  command: Argument.String("command").pipe(
    Argument.withDescription("The program and its arguments, as they are: no shell reads them"),
    Argument.variadic({ min: 1 })
  )
}

/** The values of these flags. */
export type Running = Verb.Command.Config.Infer<typeof running>
