/**
 * An `Exec` in memory: its commands are replies that a test expects to be asked for, processes that it drives by hand,
 * or programs written as Effects. Everything else is the real thing: timeouts, output caps, rings, tags and kills are
 * the same code that runs on every backend, so that a test of your program tests what it will meet; time is the test's.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { TestExec } from "@effect-exec/testing"
 *
 * const layer = TestExec.layer({
 *   programs: {
 *     greet: (io) => io.stdout(`hello ${io.args[0]}\n`),
 *     false: () => Effect.succeed(1)
 *   }
 * })
 *
 * const program = Effect.gen(function* () {
 *   const exec = yield* Exec.Exec
 *   const result = yield* exec.run(Command.make("greet", ["world"]))
 *   return result.stdout
 * })
 *
 * await Effect.runPromise(Effect.provide(program, layer)) // => "hello world\n"
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Backend } from "effect-exec/Backend"
import type { Capabilities } from "effect-exec/Capabilities"
import type { Command } from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { ExpectedStdin } from "./internal/expect/answer.ts"
import { makeDriven } from "./internal/expect/driven.ts"
import { Expectations } from "./internal/expect/expectations.ts"
import { find } from "./internal/machine/installed.ts"
import { type Machine, spawn } from "./internal/machine/spawn.ts"
import type { Matcher } from "./Matcher.ts"
import type { Program } from "./Program.ts"
import type { Reply } from "./Reply.ts"
import type { TestProcess } from "./TestProcess.ts"

/** What the sandbox has. */
export interface Options {
  /** The programs by name, as `argv[0]` has it, or a function that finds one. What is not there is `CommandNotFound`. */
  readonly programs?: Readonly<Record<string, Program>> | ((command: Command) => Program | undefined)
  /** The environment that every command is given. */
  readonly env?: Readonly<Record<string, string>>
  /** The directories that exist beside `/`, where commands start. Any other `cwd` is `CwdNotFound`. */
  readonly directories?: ReadonlyArray<string>
  /** The users that exist; commands run as the first. `["root", "nobody"]` by default. Others are `UserNotFound`. */
  readonly users?: readonly [string, ...ReadonlyArray<string>]
  /** Names that exist but may not be executed: `PermissionDenied`. */
  readonly notExecutable?: ReadonlyArray<string>
  /** Declares less than it can do, to see how a program fares on a poorer backend. */
  readonly capabilities?: Partial<Capabilities>
}

/** How often a command is expected, and with what stdin. */
export interface ExpectOptions {
  /** How often, or from how often to how often; once by default. `[0, Infinity]` is a reply that nobody has to ask for. */
  readonly times?: number | readonly [min: number, max: number]
  /** All of its stdin, read to the end: just this, or what the function accepts. Anything else fails the run. */
  readonly stdin?: ExpectedStdin
}

/** What the test expects of the program that it tests. */
export class TestExec extends Context.Service<
  TestExec,
  {
    /**
     * Expects a command, and says what it does. Of several expectations that a command matches, it takes the first one
     * that was not yet met as often as it may be; so the same command expected twice can do something else each time.
     *
     * As soon as something is expected, a command that is neither expected nor a program of the sandbox is a defect of
     * whoever runs it, with what was expected and which of that is nearest. An expected command may start in any
     * directory, as any user.
     */
    readonly expect: <A = Command["argv"]>(
      command: Matcher<A>,
      reply: Reply<A>,
      options?: ExpectOptions
    ) => Effect.Effect<void>
    /** Expects a command once, and gives its process into the hands of the test. */
    readonly drive: (command: Matcher<unknown>) => Effect.Effect<TestProcess>
    /** The commands that were run so far, in order, whatever became of them. */
    readonly calls: Effect.Effect<ReadonlyArray<Command>>
    /** Dies with what is missing, or was unexpected. The end of the layer's scope does so too, unless it fails anyway. */
    readonly verify: Effect.Effect<void>
  }
>()("@effect-exec/testing/TestExec") {}

/** `expect` of the service in the context. */
export const expect = <A = Command["argv"]>(command: Matcher<A>, reply: Reply<A>, options?: ExpectOptions) =>
  TestExec.use((test) => test.expect(command, reply, options))

/** `drive` of the service in the context. */
export const drive = (command: Matcher<unknown>) => TestExec.use((test) => test.drive(command))

/** `calls` of the service in the context. */
export const calls: Effect.Effect<ReadonlyArray<Command>, never, TestExec> = TestExec.use((test) => test.calls)

/** `verify` of the service in the context. */
export const verify: Effect.Effect<void, never, TestExec> = TestExec.use((test) => test.verify)

/** A simulated machine on which several layers can run their commands. */
export interface Sandbox {
  readonly capabilities: Capabilities
  /** @internal */
  readonly machine: Machine
}

/** What `TestExec` can do: everything. */
export const capabilities: Capabilities = {
  tree: "exact",
  exit: "exact",
  stdin: "stream",
  tty: "real",
  user: "any",
  detach: "layer",
  pidReuse: "exact"
}

/** A machine of its own, for several layers that see the same processes. */
export const sandbox = (options: Options): Sandbox => {
  const { directories = [], notExecutable = [], programs = {}, users = ["root", "nobody"] } = options
  const program =
    typeof programs === "function"
      ? programs
      : ({ argv: [name] }: Command) => (Object.hasOwn(programs, name) ? programs[name] : undefined)
  return {
    capabilities: { ...capabilities, ...options.capabilities },
    machine: {
      table: { nextPid: 2, running: new Map() },
      find: find({ program, directories: ["/", ...directories], users, notExecutable }),
      env: options.env ?? { HOME: "/", PATH: "/bin" },
      user: users[0]
    }
  }
}

/** The backend alone, for those who wrap it. What it starts ends when the scope closes. */
export const backend = ({ capabilities, machine }: Sandbox): Effect.Effect<Backend, never, Scope.Scope> =>
  Effect.gen(function* () {
    // A scope of its own, made before anything else of the layer: its programs end last, after those who end them.
    const owner = yield* Scope.fork(yield* Effect.scope)
    return {
      name: "test",
      capabilities: Effect.succeed(capabilities),
      spawn: (request) => spawn(machine, owner, request)
    }
  })

/** Runs commands on this machine, so that what one layer started another one can look at. Expectations are the layer's. */
export const layerSandbox = (sandbox: Sandbox): Layer.Layer<Exec.Exec | TestExec> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const expectations = new Expectations()
      // Added first, so that it is the last thing that happens: a test that failed has said why.
      yield* Effect.addFinalizer((exit) => (Exit.isSuccess(exit) ? expectations.verify : Effect.void))
      const machine = { ...sandbox.machine, find: expectations.find(sandbox.machine.find) }
      const exec = yield* Effect.flatMap(backend({ ...sandbox, machine }), Exec.make)
      const add = <A>(command: Matcher<A>, reply: Reply<A>, { stdin, times = 1 }: ExpectOptions = {}) =>
        Effect.sync(() => expectations.add(command, reply, times, stdin))
      const test = TestExec.of({
        expect: add,
        drive: (command) => {
          const { process, program } = makeDriven()
          return Effect.as(add(command, program), process)
        },
        calls: Effect.sync(() => expectations.calls),
        verify: expectations.verify
      })
      return Context.make(Exec.Exec, exec).pipe(Context.add(TestExec, test))
    })
  )

/** Runs commands on a machine of its own. */
export const layer = (options: Options = {}): Layer.Layer<Exec.Exec | TestExec> =>
  Layer.suspend(() => layerSandbox(sandbox(options)))
