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

/** What an error means for the exit code. Says what was not said yet. */
const codeOf = (error: unknown): Effect.Effect<number> => {
  if (error instanceof Ended) return Effect.succeed(error.exitCode)
  if (error instanceof BrokenPipe) return Effect.succeed(ExitCode.brokenPipe)
  // The presenter has said it.
  if (error instanceof CliError.ShowHelp) return Effect.succeed(error.errors.length === 0 ? 0 : ExitCode.failed)
  if (ExecError.isExecError(error)) return Effect.as(note(error.message), ExitCode.ofError(error))
  return Effect.as(note(error instanceof Failure ? error.message : `internal error: ${String(error)}`), ExitCode.failed)
}

const work = Verb.runWith(cli, { version: packageJson.version })(separate(cli, process.argv.slice(2))).pipe(
  Effect.provideService(CliConfig.CliConfig, config),
  Effect.provideService(CliOutput.Presenter, presenter),
  // Standard output is the command's.
  Effect.provideService(Logger.LogToStderr, true),
  Effect.provide(Services.layer)
)

// A shell that is told by a signal to end looks at whether this program ended by it, too: an exit code alone would not
// stop its loop.
const endBy = (signal: string): void => {
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
}

const main = Effect.gen(function* () {
  const exit = yield* Signals.interrupting(work)
  const signal = Signals.received()
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const code = error === undefined ? 0 : yield* codeOf(error)
  if (signal !== undefined && (Exit.hasInterrupts(exit) || (error instanceof Ended && error.signal === signal))) {
    endBy(signal)
  }
  // What is still on its way to a pipe would be lost.
  yield* Effect.ignore(write("stdout", ""))
  process.exit(code)
})

void Effect.runFork(main)
