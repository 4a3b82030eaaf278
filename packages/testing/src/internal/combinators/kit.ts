/**
 * What the tests of combinators have in common: each way to start a command, and a directory in the sandbox.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as AuditLog from "effect-exec/AuditLog"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import type * as ExecLayer from "effect-exec/ExecLayer"
import type { ExecOptions } from "effect-exec/ExecOptions"
import * as ExecResult from "effect-exec/ExecResult"
import type { Target } from "../../CombinatorSuite.ts"
import { eventually } from "../suite/facts.ts"

type Service = Exec.Exec["Service"]

/** Each way to start a command, here to its end. */
export const verbs: Readonly<Record<AuditLog.Verb, Verb>> = {
  run: (exec, command, options) => exec.run(command, options),
  stream: (exec, command, options) => Stream.run(exec.stream(command, options), ExecResult.collect),
  spawn: (exec, command, options) =>
    Effect.scoped(Effect.flatMap(exec.spawn(command, options), ({ events }) => Stream.run(events, ExecResult.collect))),
  detach: (exec, command, options) => Effect.flatMap(exec.detach(command, options), (process) => process.wait())
}

/** A way to start a command. */
export type Verb = (
  exec: Service,
  command: Command.Command,
  options?: Pick<ExecOptions, "id">
) => Effect.Effect<ExecResult.ExecResult, ExecError>

/** Does something with each of them, all at once. */
export const withEach = <A, E, R>(body: (verb: Verb, name: AuditLog.Verb) => Effect.Effect<A, E, R>) =>
  Effect.forEach(Object.entries(verbs), ([name, verb]) => body(verb, name as AuditLog.Verb), {
    concurrency: "unbounded"
  })

/** What a test is given. */
export interface Kit extends Target {
  /** With nothing around it. */
  readonly exec: Service
  /** A directory of the test. */
  readonly at: string
  /** A script with its arguments, in the directory of the test. */
  readonly sh: (script: string, ...args: ReadonlyArray<string>) => Command.Command
  /** The `Exec` with something around it, and what else that gives. */
  readonly within: <A>(layer: (self: Layer.Layer<Exec.Exec>) => Layer.Layer<A>) => Effect.Effect<Context.Context<A>>
  /** The same where that is an `Exec` only. */
  readonly around: (change: ExecLayer.Transform) => Effect.Effect<Service>
  /** The lines of a file in the directory of the test; none where there is none. */
  readonly lines: (file: string) => Effect.Effect<ReadonlyArray<string>, ExecError>
  /** Waits until so many lines are in it. */
  readonly hasLines: (file: string, count: number) => Effect.Effect<void, ExecError>
}

const sh =
  (cwd: string) =>
  (script: string, ...args: ReadonlyArray<string>) =>
    Command.make("/bin/sh", ["-c", script, "sh", ...args], { cwd })

/** What a test is given, for as long as a scope. */
export const makeKit = Effect.fnUntraced(function* (
  target: Target
): Effect.fn.Return<Kit, ExecError, Exec.Exec | Scope.Scope> {
  const exec = yield* Exec.Exec
  const scope = yield* Effect.scope
  const made = Effect.map(exec.run(Command.make("mktemp", ["-d"])), ({ stdout }) => stdout.trim())
  const at = yield* Effect.acquireRelease(made, (at) => Effect.ignore(exec.run(Command.make("rm", ["-rf", at]))))
  const within: Kit["within"] = (layer) => Layer.buildWithScope(layer(Layer.succeed(Exec.Exec, exec)), scope)
  const lines: Kit["lines"] = (file) =>
    Effect.map(exec.run(sh(at)('cat "$1" 2>/dev/null', file)), ({ stdout }) => stdout.split("\n").slice(0, -1))
  return {
    ...target,
    exec,
    at,
    sh: sh(at),
    within,
    around: (change) => Effect.map(within(change), (context) => Context.get(context, Exec.Exec)),
    lines,
    hasLines: (file, count) =>
      eventually(
        `${count} lines in ${file}`,
        Effect.map(lines(file), ({ length }) => length >= count)
      )
  }
})

/** One behaviour. */
export interface Test {
  readonly title: string
  readonly body: (target: Target) => Effect.Effect<void, unknown, Exec.Exec | Scope.Scope>
}

/** A test. */
export const test = (
  title: string,
  body: (kit: Kit) => Generator<Effect.Effect<unknown, unknown, Exec.Exec | Scope.Scope>, void>
): Test => ({
  title,
  body: (target) =>
    Effect.flatMap(
      makeKit(target),
      (kit) => Effect.gen(() => body(kit)) as Effect.Effect<void, unknown, Exec.Exec | Scope.Scope>
    )
})
