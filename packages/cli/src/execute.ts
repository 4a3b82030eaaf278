/**
 * A command that runs at a place, tied to this terminal: signals to this program are the command's, and when this
 * program goes, so does all that it started.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Command } from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import type { Process } from "effect-exec/Process"
import type { Failure } from "./failure.ts"
import type { Events } from "./follow.ts"
import { listen } from "./listen.ts"
import type { Place } from "./place.ts"
import { Progress } from "./progress.ts"
import * as Signals from "./signals.ts"
import { note } from "./standardStreams.ts"
import * as Terminal from "./terminal.ts"

/** What is to run, where and how. */
export interface Request {
  readonly place: Place
  readonly command: Command
  readonly options: Options
}

/** How it runs. */
export interface Options {
  readonly stdin: Stream.Stream<Uint8Array, Failure> | undefined
  readonly timeout: Duration.Input | undefined
  readonly grace: Duration.Input
  readonly maxOutput: number | undefined
}

/** Starts it, and gives it to whoever follows it to its end. What was started, container included, is gone then. */
export const execute = <A, E>(
  { command, options, place }: Request,
  follow: (events: Events<Failure>) => Effect.Effect<A, E>
): Effect.Effect<A, E | ExecError> =>
  Effect.gen(function* () {
    const exec = yield* Exec.Exec
    const progress = yield* Progress
    const child = yield* exec.spawn(command, options).pipe(progress.during(`waiting for ${place.name}`))
    yield* passOnSignals(child, options.grace)
    yield* stopTogether(child)
    if (command.tty !== undefined) yield* Terminal.followSize(child)
    return yield* follow(child.events)
  }).pipe(Effect.scoped, Effect.provide(place.layer))

/** Long enough for what ends when it is asked to. */
const patienceMillis = 1000

const hint = (child: Process<Failure>) =>
  process.stderr.isTTY && child.command.tty === undefined
    ? Effect.delay(note("SIGINT was sent; Ctrl-C once more kills"), patienceMillis)
    : Effect.void

// The first one asks, the second one ends it.
const passOnSignals = (child: Process<Failure>, grace: Duration.Input) =>
  Signals.handle((signal, nth) =>
    Effect.ignore(
      nth > 1
        ? child.kill({ signal: "SIGKILL" })
        : signal === "SIGINT" || signal === "SIGQUIT"
          ? // A key's signal may be meant for a program that lives on: a shell, an interpreter.
            Effect.andThen(child.kill({ signal }), hint(child))
          : child.kill({ signal, grace })
    )
  )

/** Ctrl-Z stops the command with this program, `fg` and `bg` let both go on. */
const stopTogether = (child: Process<Failure>): Effect.Effect<void, never, Scope.Scope> => {
  const send = (signal: string) => Effect.ignore(child.kill({ signal }))
  // Last, for who is stopped sends nothing any more.
  const stop = Effect.andThen(
    send("SIGSTOP"),
    Effect.sync(() => void process.kill(process.pid, "SIGSTOP"))
  )
  return Effect.andThen(listen(process, "SIGTSTP", stop), listen(process, "SIGCONT", send("SIGCONT")))
}
