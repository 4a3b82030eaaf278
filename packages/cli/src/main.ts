/**
 * The program: does what the command line says, and ends with an exit code that tells how that went.
 */
import * as CliConfig from "effect/cli/CliConfig"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Verb from "effect/cli/Command"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as ExecError from "effect-exec/ExecError"
import packageJson from "../package.json" with { type: "json" }
import { cli, config } from "./cli.ts"
import { separate } from "./commandLine.ts"
import * as ExitCode from "./exitCode.ts"
import { BrokenPipe, Ended, Failure } from "./failure.ts"
import { presenter } from "./presenter.ts"
import * as Services from "./services.ts"
import * as Signals from "./signals.ts"
import { note, write } from "./standardStreams.ts"

/** How this program ends, by what its work came to. Says what was not said yet. */
const ended = (error: unknown): Effect.Effect<Ended> => {
  if (error instanceof Ended) return Effect.succeed(error)
  if (error instanceof BrokenPipe) return Effect.succeed(new Ended({ exitCode: ExitCode.brokenPipe }))
  // The presenter has said it.
  if (error instanceof CliError.ShowHelp) {
    return Effect.succeed(new Ended({ exitCode: error.errors.length === 0 ? 0 : ExitCode.failed }))
  }
  if (ExecError.isExecError(error)) {
    return Effect.as(note(error.message), new Ended({ exitCode: ExitCode.ofError(error) }))
  }
  const message = error instanceof Failure ? error.message : `internal error: ${String(error)}`
  return Effect.as(note(message), new Ended({ exitCode: ExitCode.failed }))
}

const work = Verb.runWith(cli, { version: packageJson.version })(separate(cli, process.argv.slice(2))).pipe(
  Effect.provideService(CliConfig.CliConfig, config),
  Effect.provideService(CliOutput.Presenter, presenter),
  // Standard output is the command's.
  Effect.provideService(Logger.LogToStderr, true),
  Effect.provide(Services.layer)
)

const main = Effect.gen(function* () {
  const exit = yield* Signals.interrupting(work)
  const signal = Signals.received()
  const end = Exit.isSuccess(exit)
    ? new Ended({ exitCode: 0 })
    : signal !== undefined && Cause.hasInterruptsOnly(exit.cause)
      ? new Ended({ exitCode: ExitCode.failed, signal })
      : yield* ended(Cause.squash(exit.cause))
  // What is still on its way to a pipe would be lost.
  yield* Effect.ignore(write("stdout", ""))
  // A shell looks at how its command ended: after Ctrl-C an exit code alone would not stop the loop that it stands in.
  if (signal !== undefined && signal === end.signal) Signals.endBy(signal)
  process.exit(end.exitCode)
})

void Effect.runFork(main)
