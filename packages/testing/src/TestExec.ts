/**
 * An `Exec` in memory: its commands are programs written as Effects, and everything else is the real thing. Timeouts,
 * output caps, rings, tags and kills are the same code that runs on every backend, so that a test of your program
 * tests what it will meet; time is the test's.
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
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Backend } from "effect-exec/Backend"
import type { Capabilities } from "effect-exec/Capabilities"
import type { Command } from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import { type Machine, spawn } from "./internal/machine/spawn.ts"
import type { Program } from "./Program.ts"

/** What the sandbox has. */
export interface Options {
  /** The programs by name, as `argv[0]` has it, or a function that finds one. What is not there is `CommandNotFound`. */
  readonly programs: Readonly<Record<string, Program>> | ((command: Command) => Program | undefined)
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
  const { programs } = options
  return {
    capabilities: { ...capabilities, ...options.capabilities },
    machine: {
      table: { nextPid: 2, running: new Map() },
      find:
        typeof programs === "function"
          ? programs
          : ({ argv: [program] }) => (Object.hasOwn(programs, program) ? programs[program] : undefined),
      env: options.env ?? { HOME: "/", PATH: "/bin" },
      directories: ["/", ...(options.directories ?? [])],
      users: options.users ?? ["root", "nobody"],
      notExecutable: options.notExecutable ?? []
    }
  }
}

/** The backend alone, for those who wrap it. What it starts ends when the scope closes. */
export const backend = (sandbox: Sandbox): Effect.Effect<Backend, never, Scope.Scope> =>
  Effect.gen(function* () {
    // A scope of its own, made before anything else of the layer: its programs end last, after those who end them.
    const owner = yield* Scope.fork(yield* Effect.scope)
    return {
      name: "test",
      capabilities: Effect.succeed(sandbox.capabilities),
      spawn: (request) => spawn(sandbox.machine, owner, request)
    }
  })

/** Runs commands on this machine, so that what one layer started another one can look at. */
export const layerSandbox = (sandbox: Sandbox): Layer.Layer<Exec.Exec> =>
  Layer.effect(Exec.Exec, Effect.flatMap(backend(sandbox), Exec.make))

/** Runs these programs, on a machine of its own. */
export const layer = (options: Options): Layer.Layer<Exec.Exec> => Layer.suspend(() => layerSandbox(sandbox(options)))
