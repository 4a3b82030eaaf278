/**
 * From a command of `effect/process` to one of `Exec`. What a process elsewhere cannot have is refused here, before
 * anything starts.
 */
import * as Effect from "effect/Effect"
import type * as PlatformError from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import * as Redacted from "effect/Redacted"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as Command from "../../Command.ts"
import * as Signal from "../../Signal.ts"
import { badArgument } from "./failure.ts"

type Failing<A> = Effect.Effect<A, PlatformError.PlatformError>

const fail = (description: string) => Effect.fail(badArgument("spawn", description))

/** A command, and how it is connected. */
export interface Plan {
  readonly source: ChildProcess.StandardCommand
  readonly command: Command.Command
  readonly stdin: {
    readonly stream: ChildProcess.CommandInput
    readonly endOnDone: boolean
    /** Nobody said anything of it. */
    readonly isDefault: boolean
  }
  readonly stdout: ChildProcess.CommandOutput
  readonly stderr: ChildProcess.CommandOutput
}

const unwrap = (value: string | Redacted.Redacted<string>): string =>
  Redacted.isRedacted(value) ? Redacted.value(value) : value

const nulProblem = ({ args, command, options }: ChildProcess.StandardCommand): string | undefined => {
  if (command.includes("\0")) return "The command contains a NUL character"
  const index = args.findIndex((arg) => unwrap(arg).includes("\0"))
  if (index !== -1) return `Argument ${index + 1} contains a NUL character`
  for (const [name, value] of Object.entries(options.env ?? {})) {
    if (value !== undefined && unwrap(value).includes("\0")) {
      return `The environment variable ${name} contains a NUL character`
    }
  }
  return undefined
}

// Names that some systems have for signals of others.
const aliases: Readonly<Record<string, Signal.Signal>> = { SIGIOT: "SIGABRT", SIGPOLL: "SIGIO", SIGUNUSED: "SIGSYS" }

/** The signal meant by a name of `effect/process`; not all of them are signals of Linux. */
export const signal = (method: string, name: ChildProcess.Signal = "SIGTERM"): Failing<Signal.Signal> => {
  const found = aliases[name] ?? Signal.parse(name)
  return found === undefined
    ? Effect.fail(badArgument(method, `There is no signal ${name} where the command runs`))
    : Effect.succeed(found)
}

const argvOf = ({ args, command, options }: ChildProcess.StandardCommand): Command.Command["argv"] => {
  const { shell = false } = options
  if (shell === false || shell === "") return [command, ...args.map(unwrap)]
  return [shell === true ? "/bin/sh" : shell, "-c", command]
}

const stdinOf = ({ stdin }: ChildProcess.CommandOptions): Plan["stdin"] =>
  stdin === undefined || typeof stdin === "string" || Stream.isStream(stdin)
    ? { stream: stdin ?? "pipe", endOnDone: true, isDefault: stdin === undefined }
    : { stream: stdin.stream, endOnDone: stdin.endOnDone ?? true, isDefault: false }

const outputOf = (
  output: ChildProcess.CommandOutput | ChildProcess.StdoutConfig | undefined
): ChildProcess.CommandOutput =>
  output === undefined || typeof output === "string" || Sink.isSink(output)
    ? (output ?? "pipe")
    : (output.stream ?? "pipe")

/** Takes a command apart. */
export const plan = (source: ChildProcess.StandardCommand): Failing<Plan> =>
  Effect.suspend(() => {
    const { args, options } = source
    if (options.shell !== undefined && options.shell !== false && args.length > 0) {
      return fail("The shell option cannot be combined with arguments; pass the whole script as the command")
    }
    const nul = nulProblem(source)
    if (nul !== undefined) return fail(nul)
    if (Object.keys(options.additionalFds ?? {}).length > 0) {
      return fail("additionalFds are not supported: a command in a sandbox has stdin, stdout and stderr only")
    }
    return Effect.as(signal("spawn", options.killSignal), {
      source,
      command: {
        argv: argvOf(source),
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        ...(options.env === undefined ? {} : { env: options.env, extendEnv: options.extendEnv === true })
      },
      stdin: stdinOf(options),
      stdout: outputOf(options.stdout),
      stderr: outputOf(options.stderr)
    })
  })
