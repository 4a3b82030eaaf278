/**
 * What one puts around any `Exec`: each takes a layer and gives one.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec, ExecLayer } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const layer = LocalExec.layer.pipe(
 *   ExecLayer.prefix("nice", "-n", "5"),
 *   ExecLayer.commandDefaults({ cwd: "/", env: { GREETING: "hello" } }),
 *   ExecLayer.allow(["sh", "ls"]),
 *   ExecLayer.limit(4)
 * )
 *
 * const program = Exec.run(Command.make("sh", ["-c", "echo $GREETING from $PWD"])).pipe(
 *   Effect.map((result) => result.stdout)
 * )
 *
 * await Effect.runPromise(Effect.provide(program, layer)) // => "hello from /\n"
 * ```
 *
 * The last in the pipe sees a command first. None of them touches what was started already, nor the handles of
 * processes; on top of them `ExecFileSystem` works by commands, which they see like all others.
 */
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as ExecutionPlan from "effect/ExecutionPlan"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Command } from "./Command.ts"
import { Exec } from "./Exec.ts"
import * as ExecError from "./ExecError.ts"
import { around, attempt, starting } from "./internal/around.ts"

/** Changes the `Exec` of a layer; what else that gives stays. */
export type Transform = <A, E, R>(self: Layer.Layer<A | Exec, E, R>) => Layer.Layer<A | Exec, E, R>

/** Puts something around the service of a layer. The scope is the layer's. */
export const transform =
  (change: (exec: Exec["Service"]) => Effect.Effect<Exec["Service"], never, Scope.Scope>): Transform =>
  (self) =>
    Layer.provideMerge(Layer.effect(Exec, Effect.flatMap(Exec, change)), self)

/** Changes each command before it is checked and started. */
export const mapCommand = (change: (command: Command) => Command): Transform =>
  transform((exec) => around(exec, (command) => Effect.sync(() => change(command))))

/**
 * Puts a program in front of each, which then starts it: `prefix("sudo", "-n")`, `prefix("nice")`.
 *
 * A command that does not exist is then the other program's to report, with an exit code of its own.
 */
export const prefix = (...words: Command["argv"]): Transform =>
  mapCommand((command) => ({ ...command, argv: [...words, ...command.argv] }))

/**
 * Where commands start that do not say, and what is in the environment of all: a command's own `cwd`, relative ones from
 * this, its `user` and its variables go first. With `extendEnv: false` it has only its own.
 */
export const commandDefaults = ({ cwd, env, user }: Pick<Command, "cwd" | "env" | "user">): Transform =>
  mapCommand((command) => ({
    ...command,
    ...(cwd === undefined ? {} : { cwd: from(cwd, command.cwd) }),
    ...(env === undefined || command.extendEnv === false ? {} : { env: { ...env, ...command.env } }),
    ...(user === undefined ? {} : { user: command.user ?? user })
  }))

const from = (base: string, path: string | undefined): string =>
  path === undefined ? base : path.startsWith("/") ? path : `${base.replace(/\/$/, "")}/${path}`

/**
 * Starts only what is allowed: programs by just this name, or whatever a function of yours says. All else fails with
 * `PermissionDenied`.
 *
 * With names, a command may not bring variables of its own by which another program would be found under the name, or
 * other code be loaded into it (`PATH`, `LD_…`). A list is no sandbox: what an allowed program can be told to do, it does,
 * and a shell or an interpreter on it allows everything.
 */
export const allow = (allowed: ReadonlyArray<string> | ((command: Command) => boolean)): Transform => {
  const isAllowed = typeof allowed === "function" ? allowed : isListed(new Set(allowed))
  return transform((exec) =>
    around(exec, (command) => (isAllowed(command) ? Effect.succeed(command) : Effect.fail(notAllowed(command))))
  )
}

const isListed =
  (names: ReadonlySet<string>) =>
  ({ argv, env = {} }: Command): boolean =>
    names.has(argv[0]) && Object.keys(env).every((name) => name !== "PATH" && !name.startsWith("LD_"))

const notAllowed = ({ argv: [program] }: Command): ExecError.ExecError =>
  ExecError.make(
    new ExecError.PermissionDenied({
      program,
      detail: { backend: "allow", text: "the policy of this program does not allow it" }
    })
  )

/**
 * Lets so many processes run at a time; more wait for their turn, and can be interrupted while they do.
 *
 * A detached process counts until it ends, a spawned one until its scope closes: who holds as many as there are and waits
 * for another one waits for ever. Fails with `InvalidCommand` for a limit that is not a whole number from 1 on.
 */
export const limit = (processes: number): Transform =>
  transform((exec) => {
    const turns = Semaphore.makeUnsafe(processes)
    const turn = isLimit(processes) ? turns.takeScoped(1) : Effect.fail(noLimit)
    return around(exec, (command) => Effect.as(turn, command))
  })

const isLimit = (processes: number): boolean => Number.isSafeInteger(processes) && processes >= 1

const noLimit = ExecError.make(
  new ExecError.InvalidCommand({ field: "limit", problem: "it is not a whole number of processes, 1 or more" })
)

/** After 100 ms, and ever later, five times: a backend that is started again is back by then. */
const patience = Schedule.max([Schedule.jittered(Schedule.exponential("100 millis")), Schedule.recurs(5)])

/**
 * Tries again what provably did not start (`isRetryable`: the backend was unavailable, a limit was reached …), never
 * anything that may have run. Five times by default, after 100 ms and ever later.
 */
export const retry = (schedule: Schedule.Schedule<unknown> = patience): Transform =>
  transform((exec) => {
    const again = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
      Effect.retry(effect, { schedule, while: isRetryable })
    return Effect.succeed(
      starting(exec, {
        run: (command, options) => again(exec.run(command, options)),
        // What can be tried again fails before the first event.
        stream: (command, options) => Stream.unwrap(again(attempt(begun(exec.stream(command, options))))),
        spawn: (command, options) => again(exec.spawn(command, options)),
        detach: (command, options) => again(exec.detach(command, options))
      })
    )
  })

const isRetryable = (error: unknown): boolean => ExecError.isExecError(error) && error.isRetryable

// Runs a stream as far as its first element.
const begun = <A, E, R>(stream: Stream.Stream<A, E, R>): Effect.Effect<Stream.Stream<A, E>, E, R | Scope.Scope> =>
  Effect.flatMap(Stream.toPull(stream), (pull) =>
    pull.pipe(
      Effect.map((first) => Stream.concat(Stream.fromArray(first), Stream.fromPull(Effect.succeed(pull)))),
      Pull.catchDone(() => Effect.succeed(Stream.empty))
    )
  )

/**
 * The first of these that can be reached, for as long as the layer lives: each is built and asked for its capabilities,
 * and the next one is tried when that fails. Fails as the last one does.
 *
 * A command never runs in two places; when the chosen one is lost later, commands fail as they do without this.
 */
export const fallback = <E, R>(
  first: Layer.Layer<Exec, E, R>,
  ...others: ReadonlyArray<Layer.Layer<Exec, E, R>>
): Layer.Layer<Exec, E | ExecError.ExecError, R> =>
  Layer.effect(
    Exec,
    others.reduce(
      (chosen, other) =>
        chosen.pipe(
          Effect.tapError((error) => Effect.logDebug("A place to run commands cannot be reached", error)),
          Effect.catch(() => reached(other))
        ),
      reached(first)
    )
  )

const reached = <E, R>(layer: Layer.Layer<Exec, E, R>) =>
  attempt(
    Effect.flatMap(Layer.build(layer), (context) => {
      const exec = Context.get(context, Exec)
      return Effect.as(exec.capabilities, exec)
    })
  )

/**
 * A plan for one effect that runs commands: it is tried on each of these in turn, as long as it fails with something that
 * provably did not start. All of the effect runs again then, also commands before the one that failed: for an effect of
 * one command, or one that may be repeated.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec, ExecLayer } from "effect-exec"
 * import { DockerExec } from "@effect-exec/docker"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const program = Exec.run(Command.make("echo", ["hello"])).pipe(Effect.map((result) => result.stdout))
 *
 * const plan = ExecLayer.plan(DockerExec.layer({ container: "no-such-container" }), LocalExec.layer)
 * ```
 */
export const plan = <E, R>(...layers: Arr.NonEmptyReadonlyArray<Layer.Layer<Exec, E, R>>) =>
  ExecutionPlan.make(...Arr.map(layers, (layer) => ({ provide: layer, while: isRetryable })))
