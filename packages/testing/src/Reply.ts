/**
 * What an expected command does: `TestExec.expect` takes it.
 *
 * ```ts
 * import { Effect, Schema } from "effect"
 * import { Command, Exec, ExecError } from "effect-exec"
 * import { TestExec } from "@effect-exec/testing"
 *
 * const program = Effect.gen(function* () {
 *   // Text is standard output, and exit code 0.
 *   yield* TestExec.expect(["git", "branch"], "main\n")
 *   // Steps, one after the other; the last word is the exit code.
 *   yield* TestExec.expect("login", [{ stdout: "password: " }, { stdin: "secret\n" }, { stderr: "denied\n", exitCode: 1 }])
 *   // A reason: the command cannot be started.
 *   yield* TestExec.expect("docker", new ExecError.PermissionDenied({ program: "docker" }))
 *   // A program, which is given what a Schema made of the words.
 *   const seq = Schema.Tuple([Schema.Literal("seq"), Schema.NumberFromString])
 *   yield* TestExec.expect(seq, (io, [, count]) => Effect.as(io.stdout("·".repeat(count)), 0))
 *
 *   const branch = yield* Exec.run(Command.make("git", ["branch"]))
 *   const login = yield* Exec.run(Command.make("login"), { stdin: "secret\n" })
 *   const docker = yield* Effect.flip(Exec.run(Command.make("docker")))
 *   const dots = yield* Exec.run(Command.make("seq", ["3"]))
 *   return [branch.stdout, login.exitCode, docker.reason._tag, dots.stdout]
 * })
 *
 * await Effect.runPromise(Effect.provide(program, TestExec.layer())) // => ["main\n", 1, "PermissionDenied", "···"]
 * ```
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Reason } from "effect-exec/ExecError"
import type { ExitStatus } from "effect-exec/ExitStatus"
import type { Signal } from "effect-exec/Signal"
import type { ProcessIO } from "./Program.ts"

/** One step: what is given of it happens in this order. */
export interface Step {
  /** Waits so long first, in Effect's time. */
  readonly after?: Duration.Input
  /** Reads just this from stdin; anything else fails the test, and says what it was. */
  readonly stdin?: string | Uint8Array
  readonly stdout?: string | Uint8Array
  readonly stderr?: string | Uint8Array
  /** Ends the process with this code. */
  readonly exitCode?: number
  /** Ends the process by this signal. */
  readonly signal?: Signal
}

/** What a command does: text on standard output, steps, a failure to start, or a program of one's own. */
export type Reply<A = unknown> =
  | string
  | Step
  | ReadonlyArray<Step>
  | Reason
  | ((io: ProcessIO, value: A) => Effect.Effect<number | ExitStatus | void, never, Scope.Scope>)
