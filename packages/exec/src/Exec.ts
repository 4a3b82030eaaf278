/**
 * The service: run, stream, spawn and detach commands, find them again and kill them, wherever the layer says.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const program = Effect.gen(function* () {
 *   const exec = yield* Exec.Exec
 *   const result = yield* exec.run(Command.shell("echo hello; exit 3"))
 *   return [result.stdout, result.exitCode]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, LocalExec.layer)) // => ["hello\n", 3]
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { dual } from "effect/Function"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Backend } from "./Backend.ts"
import type { Capabilities } from "./Capabilities.ts"
import type { Command } from "./Command.ts"
import { Defaults } from "./Defaults.ts"
import type { ExecError } from "./ExecError.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import type { Files } from "./Files.ts"
import type { DetachOptions, ExecOptions, KillOptions, SpawnOptions } from "./ExecOptions.ts"
import { collectPull, CommandFailed, type ExecResult } from "./ExecResult.ts"
import { toCode } from "./ExitStatus.ts"
import type { Host } from "./Host.ts"
import * as check from "./internal/check.ts"
import { unlimited } from "./internal/policy.ts"
import { prepare } from "./internal/prepare.ts"
import * as telemetry from "./internal/telemetry.ts"
import * as view from "./internal/text.ts"
import * as utf8 from "./internal/utf8.ts"
import {
  type Callbacks,
  type DetachedProcess,
  type EventsOptions,
  observe as observeProcess,
  type Process
} from "./Process.ts"
import type { ProcessId } from "./ProcessId.ts"
import type { ProcessInfo } from "./ProcessInfo.ts"
import * as Supervisor from "./Supervisor.ts"

export { Defaults, withDefaults } from "./Defaults.ts"

/**
 * Finds a detached process: its id or tag, or its pid, as a number or as digits. A tag or a pid means the process
 * that runs, or else the latest that is retained.
 */
export type Selector = ProcessId | string | number

// `NoInfer` below: of two calls side by side in `Effect.all`, the context would else make `any` of what they fail with.
/** Runs commands somewhere: the layer says where. */
export class Exec extends Context.Service<
  Exec,
  {
    /**
     * Starts a command and gives a live handle, owned by the scope: closing it ends the whole tree (TERM, grace, KILL)
     * and waits for that.
     */
    readonly spawn: <E = never, R = never>(
      command: Command,
      options?: SpawnOptions<E, R>
    ) => Effect.Effect<Process<NoInfer<E>>, ExecError, Scope.Scope | NoInfer<R>>

    /**
     * Runs a command to its end and collects what it wrote.
     *
     * It ends when the process does, after 30 s (`timeout`) or past 10 MiB of output (`maxOutput`), unless told
     * otherwise; that is in the result, and so is an exit code that is not 0. It fails only when the command could not
     * be started or followed. Interrupting it ends the whole tree, and returns when that is gone.
     */
    readonly run: <E = never, R = never>(
      command: Command,
      options?: ExecOptions<E, R>
    ) => Effect.Effect<ExecResult, ExecError | NoInfer<E>, NoInfer<R>>

    /**
     * Runs a command and gives what happens as it happens: `Started`, output, `Exited`.
     *
     * Backpressure is real: while nobody pulls, the process waits. Ending the stream early ends the whole tree. Without
     * a `timeout` it may run, and write, as long as it likes.
     */
    readonly stream: <E = never, R = never>(
      command: Command,
      options?: ExecOptions<E, R>
    ) => Stream.Stream<ExecEvent, ExecError | NoInfer<E>, NoInfer<R>>

    /**
     * Starts a command that outlives its caller: the layer owns it (or the capsule, where it lives on), and its output
     * goes into a ring buffer. Fails with `TagInUse` when a running process has this tag.
     */
    readonly detach: <E = never, R = never>(
      command: Command,
      options?: DetachOptions<E, R>
    ) => Effect.Effect<DetachedProcess, ExecError, NoInfer<R>>

    /** Gives back the handle of a detached process, running or retained; `ProcessNotFound` when there is none. */
    readonly get: (selector: Selector) => Effect.Effect<DetachedProcess, ExecError>

    /** The events of a detached process: what its ring holds from an offset on, then live. Ending it ends nothing. */
    readonly connect: (selector: Selector, options?: EventsOptions) => Stream.Stream<ExecEvent, ExecError>

    /** The detached processes that run; with `exited`, also those that ended and are retained. */
    readonly list: (options?: {
      readonly exited?: boolean | undefined
    }) => Effect.Effect<ReadonlyArray<ProcessInfo>, ExecError>

    /**
     * Sends a signal to a detached process, to its whole tree by default. Killing what has exited succeeds; killing
     * what never was is `ProcessNotFound`. With `grace` it escalates to KILL, and returns when the tree is gone.
     */
    readonly kill: (selector: Selector, options?: KillOptions) => Effect.Effect<void, ExecError>

    /**
     * The events of all detached processes: of those that run, from what their rings hold, and of all that come.
     * A subscriber that falls behind gets a `Gap`, and holds nobody up; one that has not read the end of a process
     * when that is no longer retained fails with `SubscriberLagged`.
     */
    readonly events: Stream.Stream<readonly [ProcessId, ExecEvent], ExecError>

    /** What the backend can do; known only once it has been reached. */
    readonly capabilities: Effect.Effect<Capabilities, ExecError>

    /**
     * What the backend can do with files without running a command, if anything: `ExecFileSystem` uses it. Whoever wraps
     * an `Exec` to change or refuse commands leaves it out, and then files go by commands, too.
     */
    readonly files?: Effect.Effect<Files | undefined, ExecError>
  }
>()("effect-exec/Exec") {}

type Service = Exec["Service"]

/**
 * Derives the whole service from a backend's one primitive. Closing the scope ends every detached process.
 */
export const make = (backend: Backend): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.map(Supervisor.make(backend), fromHost)

/** The service of a host: checks, defaults, spans and results are the same wherever processes live. */
export const fromHost = (host: Host): Service => {
  const attributes = (command: Command) => telemetry.spanAttributes(host, command)
  const span = (name: string, command: Command) =>
    Effect.withSpan(name, { attributes: attributes(command) }, { captureStackTrace: false })

  const spawn = Effect.fnUntraced(function* <E, R>(
    command: Command,
    options: SpawnOptions<E, R>,
    adjust: (defaults: Defaults) => Defaults
  ) {
    const prepared = yield* prepare(host.capabilities, command, options, adjust(yield* Defaults))
    if (options.tag !== undefined) yield* check.tag(options.tag)
    return yield* host.spawn(prepared, options)
  })

  const run: Service["run"] = (command, options = {}) =>
    spawn(command, textStdin(options), (defaults) => defaults).pipe(
      Effect.tap(annotatePid),
      Effect.flatMap(({ pull }) => collectPull(pull)),
      Effect.tap((result) => Effect.annotateCurrentSpan("process.exit.code", result.exitCode)),
      Effect.scoped,
      span("Exec.run", command)
    )

  const stream: Service["stream"] = (command, options = {}) =>
    spawn(command, textStdin(options), unlimited).pipe(
      Effect.tap(annotatePid),
      Effect.map(({ pull }) =>
        Effect.tap(pull, ([event]) =>
          event._tag === "Exited" ? Effect.annotateCurrentSpan("process.exit.code", toCode(event.status)) : Effect.void
        )
      ),
      Effect.map((pull) => Stream.fromPull(Effect.succeed(pull))),
      Stream.unwrap,
      Stream.withSpan("Exec.stream", { attributes: attributes(command) })
    )

  const detach = Effect.fnUntraced(function* <E, R>(command: Command, options: DetachOptions<E, R>) {
    const defaults = yield* Defaults
    const prepared = yield* prepare(host.capabilities, command, options, unlimited(defaults))
    yield* check.ring(options.ring ?? defaults.ring, options.overflow ?? "evict")
    if (options.tag !== undefined) yield* check.tag(options.tag)
    return yield* host.detach(prepared, options)
  })

  return Exec.of({
    spawn: (command, options = {}) => spawn(command, options, unlimited),
    run,
    stream,
    detach: (command, options = {}) =>
      detach(command, options).pipe(Effect.tap(annotatePid), span("Exec.detach", command)),
    get: host.get,
    connect: (selector, options) => Stream.unwrap(Effect.map(host.get(selector), (it) => it.events(options))),
    list: host.list,
    kill: (selector, options) =>
      host.get(selector).pipe(
        Effect.tap((process) =>
          Effect.annotateCurrentSpan({
            "process.executable.name": process.command.argv[0],
            "process.pid": process.pid
          })
        ),
        Effect.flatMap((process) => process.kill(options)),
        Effect.withSpan("Exec.kill", { attributes: { "exec.backend": host.name } })
      ),
    events: host.events,
    capabilities: host.capabilities,
    ...(host.files === undefined ? {} : { files: host.files })
  })
}

const annotatePid = ({ pid }: { readonly pid: number }) => Effect.annotateCurrentSpan("process.pid", pid)

// Without a handle there is nobody to write: every string is text, the word "open" too.
const textStdin = <E, R>(options: ExecOptions<E, R>): ExecOptions<E, R> =>
  typeof options.stdin === "string" ? { ...options, stdin: utf8.encode(options.stdin) } : options

/** Turns a result that is not `ok` into the error `CommandFailed`, which carries it. */
export const orFail = <E, R>(
  effect: Effect.Effect<ExecResult, E, R>
): Effect.Effect<ExecResult, E | CommandFailed, R> =>
  Effect.flatMap(effect, (result) => (result.ok ? Effect.succeed(result) : Effect.fail(new CommandFailed({ result }))))

/** Which output is seen as text. */
export interface TextOptions {
  /** `"both"` by default, each decoded by itself. */
  readonly of?: "stdout" | "stderr" | "both" | undefined
}

/** How output is cut into lines. */
export interface LinesOptions extends TextOptions {
  /** The most characters of a line, 1 Mi by default; a longer one is split, or a process could fill the memory. */
  readonly maxLength?: number | undefined
  /** What every part of a split line but the last one ends with; `"…"` by default. */
  readonly mark?: string | undefined
}

/** The output as text, as it comes. A character that is split between two chunks is given whole, with the second. */
export const text: {
  (options?: TextOptions): <E, R>(events: Stream.Stream<ExecEvent, E, R>) => Stream.Stream<string, E, R>
  <E, R>(events: Stream.Stream<ExecEvent, E, R>, options?: TextOptions): Stream.Stream<string, E, R>
} = dual(
  (args) => Stream.isStream(args[0]),
  <E, R>(events: Stream.Stream<ExecEvent, E, R>, options: TextOptions = {}): Stream.Stream<string, E, R> =>
    view.through(events, options.of ?? "both", view.plain)
)

/**
 * The output line by line, without the line ends. A last line without one is given at the end, also when that is a
 * failure. Fails with `InvalidCommand` for a `maxLength` that is not a whole number from 1 on.
 */
export const lines: {
  (options?: LinesOptions): <E, R>(events: Stream.Stream<ExecEvent, E, R>) => Stream.Stream<string, E | ExecError, R>
  <E, R>(events: Stream.Stream<ExecEvent, E, R>, options?: LinesOptions): Stream.Stream<string, E | ExecError, R>
} = dual(
  (args) => Stream.isStream(args[0]),
  <E, R>(
    events: Stream.Stream<ExecEvent, E, R>,
    { maxLength = 1024 * 1024, mark = "…", of = "both" }: LinesOptions = {}
  ): Stream.Stream<string, E | ExecError, R> =>
    Stream.unwrap(Effect.map(check.lineLength(maxLength), () => view.through(events, of, view.lines(maxLength, mark))))
)

/**
 * Calls back for every detached process, those that run now and those that come, until the scope closes. As
 * `Process.observe`, which does it for one.
 */
export const observe = Effect.fnUntraced(function* <E, R>(
  callbacks: Callbacks<E, R>
): Effect.fn.Return<void, never, Exec | R | Scope.Scope> {
  const exec = yield* Exec
  yield* exec.events.pipe(
    Stream.filter(([, event]) => event._tag === "Started"),
    Stream.runForEach(([id]) =>
      Effect.flatMap(exec.get(id), (process) => observeProcess(process, callbacks)).pipe(
        Effect.catch((error) => Effect.logWarning("A process was gone before it could be observed", error))
      )
    ),
    Effect.catch((error) => Effect.logWarning("The callbacks of all processes end", error)),
    Effect.forkScoped({ startImmediately: true })
  )
})

/** `run` of the service in the context. */
export const run = <E = never, R = never>(command: Command, options?: ExecOptions<E, R>) =>
  Exec.use((exec) => exec.run(command, options))

/** `stream` of the service in the context. */
export const stream = <E = never, R = never>(command: Command, options?: ExecOptions<E, R>) =>
  Stream.unwrap(Exec.useSync((exec) => exec.stream(command, options)))

/** `spawn` of the service in the context. */
export const spawn = <E = never, R = never>(command: Command, options?: SpawnOptions<E, R>) =>
  Exec.use((exec) => exec.spawn(command, options))

/** `detach` of the service in the context. */
export const detach = <E = never, R = never>(command: Command, options?: DetachOptions<E, R>) =>
  Exec.use((exec) => exec.detach(command, options))

/** `get` of the service in the context. */
export const get = (selector: Selector) => Exec.use((exec) => exec.get(selector))

/** `connect` of the service in the context. */
export const connect = (selector: Selector, options?: EventsOptions) =>
  Stream.unwrap(Exec.useSync((exec) => exec.connect(selector, options)))

/** `list` of the service in the context. */
export const list = (options?: { readonly exited?: boolean | undefined }) => Exec.use((exec) => exec.list(options))

/** `kill` of the service in the context. */
export const kill = (selector: Selector, options?: KillOptions) => Exec.use((exec) => exec.kill(selector, options))
