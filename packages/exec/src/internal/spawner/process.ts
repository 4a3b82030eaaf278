/**
 * One command as a `ChildProcessHandle`.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type * as ChildProcess from "effect/process/ChildProcess"
import { type ChildProcessHandle, ExitCode, makeHandle, ProcessId } from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import type { Exec } from "../../Exec.ts"
import type { ExitStatus } from "../../ExitStatus.ts"
import type { Process } from "../../Process.ts"
import { badArgument, fromExec, unknown } from "./failure.ts"
import * as inherit from "./inherit.ts"
import { Outputs } from "./outputs.ts"
import type { Plan } from "./plan.ts"
import * as Stdin from "./stdin.ts"
import { terminate } from "./terminate.ts"

const names = ["stdout", "stderr"] as const

const unref = badArgument(
  "unref",
  "A command in a sandbox lives as long as its scope; to let it outlive its caller, use Exec.detach"
)

/** Starts the command of a plan; the scope owns it. */
export const spawn = Effect.fnUntraced(function* (
  exec: Exec["Service"],
  plan: Plan
): Effect.fn.Return<ChildProcessHandle, PlatformError, Scope.Scope> {
  const { source } = plan
  const stdio = yield* inherit.stdioOf(plan)
  const { process, stdin } = yield* Effect.mapError(start(exec, plan), fromExec("spawn", source))
  const outputs = new Outputs(yield* Stream.toPull(process.events))
  const raw = {
    stdout: Stream.mapError(outputs.stream(1), fromExec("fromReadable(stdout)", source)),
    stderr: Stream.mapError(outputs.stream(2), fromExec("fromReadable(stderr)", source)),
    all: Stream.mapError(outputs.stream("both"), fromExec("fromReadable(all)", source))
  }
  const isCopied = (name: (typeof names)[number]) => plan[name] === "ignore" || plan[name] === "inherit"
  const copies = yield* Effect.forEach(names.filter(isCopied), (name) =>
    inherit.copy(raw[name], plan[name] === "inherit" ? stdio?.[name]({ endOnDone: false }) : undefined)
  )

  // What nobody reads any more must not keep the process from ending.
  const unread = Effect.forEach(
    names.filter((name) => !isCopied(name)),
    (name) => Effect.ignore(Stream.runDrain(raw[name])),
    { concurrency: "unbounded" }
  )
  yield* Effect.addFinalizer(() =>
    Effect.raceFirst(
      Effect.ignore(terminate(process, source, source.options)),
      Effect.andThen(unread, Effect.never)
    ).pipe(Effect.andThen(inherit.settled(copies)))
  )

  const input = plan.stdin.stream === "inherit" ? stdio?.stdin : plan.stdin.stream
  const inputFailure = Stream.isStream(input)
    ? yield* Stdin.feed(input, stdin)
    : Deferred.makeUnsafe<never, PlatformError>()
  if (source.options.detached !== false) yield* Effect.forkScoped(endRestOfFailed(process, source))

  const readable = (name: (typeof names)[number]) => {
    const to = plan[name]
    return isCopied(name) ? Stream.empty : Sink.isSink(to) ? Stream.transduce(raw[name], to) : raw[name]
  }
  const stdout = readable("stdout")
  const stderr = readable("stderr")
  const isPlain = names.every((name) => !isCopied(name) && !Sink.isSink(plan[name]))

  const exited = Effect.flatMap(Effect.mapError(process.wait, fromExec("exitCode", source)), (status) =>
    Effect.andThen(inherit.settled(copies), exitCodeOf(status, source))
  )
  return makeHandle({
    pid: ProcessId(process.pid),
    // A stdin that failed was cut off, whatever the process made of it.
    exitCode: Effect.flatMap(Effect.exit(Effect.raceFirst(exited, Deferred.await(inputFailure))), (exit) =>
      Deferred.isDoneUnsafe(inputFailure) ? Deferred.await(inputFailure) : exit
    ),
    isRunning: Effect.mapError(process.isRunning, fromExec("isRunning", source)),
    kill: (options) => terminate(process, source, options),
    stdin,
    stdout,
    stderr,
    all: isPlain ? raw.all : Stream.merge(stdout, stderr),
    getInputFd: () => Sink.drain,
    getOutputFd: () => Stream.empty,
    unref: Effect.fail(unref)
  })
})

// Nobody asked for a stdin that is only there by default: where a sandbox has none, writing to it is what fails.
const start = (exec: Exec["Service"], { command, source, stdin }: Plan) => {
  const spawned = (options: { readonly stdin?: "open" }) =>
    exec.spawn(command, {
      ...options,
      // Elsewhere, too, the children of a process may go on writing, and end with its scope.
      lingering: "drain",
      // Whoever is still there when `Exec` ends what is left was told to end before, and had its time.
      grace: source.options.detached === false ? "1 second" : 0
    })
  const without = (sink: Stdin.Stdin) => Effect.map(spawned({}), (process) => ({ process, stdin: sink }))
  if (stdin.stream === "ignore") return without(Sink.drain)
  return spawned({ stdin: "open" }).pipe(
    Effect.map((process) => ({
      process,
      stdin: Stdin.sink(process, stdin.endOnDone, fromExec("fromWritable(stdin)", source))
    })),
    Effect.catchReason("ExecError", "Unsupported", (reason, error) =>
      stdin.isDefault ? without(Sink.fail(badArgument("fromWritable(stdin)", reason.message))) : Effect.fail(error)
    )
  )
}

const exitCodeOf = (status: ExitStatus, source: ChildProcess.StandardCommand) =>
  status._tag === "Exited"
    ? Effect.succeed(ExitCode(status.code))
    : Effect.fail(
        unknown("exitCode", source, new Error(`Process interrupted due to receipt of signal: '${status.signal}'`))
      )

// A process that failed leaves nothing behind: its children are ended with it, and not only with its scope.
const endRestOfFailed = (process: Process, source: ChildProcess.StandardCommand): Effect.Effect<void> =>
  process.wait.pipe(
    Effect.flatMap((status) =>
      status._tag === "Exited" && status.code !== 0
        ? process.kill({ signal: source.options.killSignal, scope: "tree" })
        : Effect.void
    ),
    Effect.ignore
  )
