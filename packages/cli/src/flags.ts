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

/** Where. */
export const where = {
  on: text("on", "PLACE", `Where: ${Place.kinds.map(({ form }) => form).join(", ")}`).pipe(Flag.optional),
  tokenFile: text("token-file", "FILE", "What a capsule server asks for").pipe(Flag.optional)
}

const tty = Flag.Boolean("tty").pipe(
  Flag.withAlias("t"),
  Flag.withDescription("Give it a terminal, this one where there is one"),
  Flag.withDefault(false)
)

/** What to run, where and how. */
const command = {
  ...where,
  env: repeated("env", "NAME[=VALUE]", "Set a variable; NAME alone takes its value from here"),
  envFile: repeated("env-file", "FILE", "Set the variables in a file"),
  cwd: text("cwd", "DIRECTORY", "Where it starts").pipe(Flag.optional),
  user: text("user", "USER[:GROUP]", "Whom it runs as").pipe(Flag.optional),
  timeout: quantity("timeout", "DURATION", "End it after 500ms, 30s, 5m; none is no limit", Quantity.duration),
  grace: quantity("grace", "DURATION", "From TERM to KILL when it is ended; 2s unless set", Quantity.duration),
  maxOutput: quantity("max-output", "SIZE", "End it past 500kB, 10MiB of output; none is no limit", Quantity.bytes),
  tty,
  json,
  command: Argument.String("command").pipe(
    Argument.withDescription("The program and its arguments, as they are: no shell reads them"),
    Argument.variadic({ min: 1 })
  )
}

/** Whether a command reads what this program is given. */
export const stdin = text("stdin", "-", "Let it read from standard input").pipe(
  Flag.filter(
    (value) => value === "-",
    () => "--stdin takes only -: use --stdin - <FILE"
  ),
  Flag.map(() => true),
  Flag.withDefault(false)
)

/** Of a command that this program stays with. */
export const running = { ...command, stdin }

/** Of a command that lives on. */
export const detaching = {
  ...command,
  stdin: text("stdin", "-|open", "Give it standard input to its end, or leave its input open for attach").pipe(
    Flag.filter(
      (value) => value === "-" || value === "open",
      () => "--stdin takes - or open"
    ),
    Flag.optional
  ),
  tag: text("tag", "NAME", "A name for it, by which it is found").pipe(Flag.optional),
  ring: quantity("ring", "SIZE", "How much of its last output is kept; 1MiB unless set", Quantity.bytes)
}

/** What is said of a command. */
export type Command = Verb.Command.Config.Infer<typeof command>

/** What is said of one that this program stays with. */
export type Running = Verb.Command.Config.Infer<typeof running>

/** Whom of those that were detached. */
export const process = Argument.String("process").pipe(Argument.withDescription("Its id, tag or pid"))

/** How long to wait for what was signalled. */
export const killGrace = quantity("grace", "DURATION", "Kill it then, and wait until it is gone", Quantity.duration)

/** How long to wait for an end. */
export const patience = quantity("timeout", "DURATION", "Wait no longer; it runs on then", Quantity.duration)

/** From where on its output is wanted. */
export const since = Flag.Int("since").pipe(
  Flag.withMetavar("OFFSET"),
  Flag.withDescription("From this byte of its output on; 0 is the first one"),
  Flag.withDefault(0)
)

/** How to serve. */
export const serving = {
  on: text("on", "PLACE", "What is served; local unless given").pipe(Flag.optional),
  host: text("host", "ADDRESS", "The address to listen on").pipe(Flag.withDefault("127.0.0.1")),
  port: Flag.Int("port").pipe(
    Flag.withMetavar("PORT"),
    Flag.withDescription("The port to listen on; 0 is one that is free"),
    Flag.filter(
      (port) => port >= 0 && port <= 65_535,
      () => "a port is a number from 0 to 65535"
    ),
    Flag.withDefault(7777)
  ),
  unix: text("unix", "PATH", "Listen on a Unix socket instead, which only this user may open").pipe(Flag.optional),
  tokenFile: text("token-file", "FILE", "What clients have to show; a new one unless given").pipe(Flag.optional),
  template: repeated("template", "NAME=PLACE", "What clients may make capsules of"),
  idleTimeout: quantity("idle-timeout", "DURATION", "End a capsule that nobody uses so long; 10m", Quantity.duration),
  json
}

/** What is said of how to serve. */
export type Serving = Verb.Command.Config.Infer<typeof serving>
