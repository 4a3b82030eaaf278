/** `effect-exec kill`: signals to detached processes. */
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Verb from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Signal from "effect-exec/Signal"
import * as Flags from "../flags.ts"
import { note } from "../standardStreams.ts"
import * as Owned from "./owned.ts"

const parse = (text: string): Signal.Signal | undefined =>
  Signal.parse(/^\d+$/.test(text) ? Number(text) : `SIG${text.toUpperCase().replace(/^SIG/, "")}`)

const signal = Flag.String("signal").pipe(
  Flag.withAlias("s"),
  Flag.withMetavar("SIGNAL"),
  Flag.withDescription("Its name or number; TERM unless given"),
  Flag.mapEffect((text) => {
    const signal = parse(text)
    return signal === undefined
      ? Effect.fail(new CliError.ValidationError({ message: `--signal: there is no signal ${JSON.stringify(text)}` }))
      : Effect.succeed(signal)
  }),
  Flag.withDefault<Signal.Signal>("SIGTERM")
)

export const kill = Verb.make(
  "kill",
  {
    ...Flags.where,
    signal,
    grace: Flags.killGrace,
    json: Flags.json,
    processes: Flags.process.pipe(Argument.variadic({ min: 1 }))
  },
  ({ grace, processes, signal, ...flags }) =>
    Owned.at(flags, (exec) =>
      Effect.gen(function* () {
        const options = { signal, grace: Option.getOrUndefined(grace) }
        // Whoever of them cannot be told, the others are.
        const [, failures] = yield* Effect.partition(processes, (process) => exec.kill(process, options))
        for (const error of failures.slice(1)) yield* note(error.message)
        if (failures[0] !== undefined) yield* Effect.fail(failures[0])
      })
    )
).pipe(
  Verb.withShortDescription("Signal processes, or end them"),
  Verb.withDescription(
    "Send a signal to processes and all that they started. With --grace, what has not ended then is killed, and this returns when it is gone."
  ),
  Verb.withExamples([
    { command: "effect-exec kill web", description: "TERM" },
    { command: "effect-exec kill --grace 5s web worker", description: "TERM, and KILL after 5 s" },
    { command: "effect-exec kill -s HUP web", description: "Any signal, by name or number" }
  ])
)
