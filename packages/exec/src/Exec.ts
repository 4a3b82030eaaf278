/**
 * The service: run, stream, spawn and detach commands, find them again and kill them, wherever the layer says.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Backend } from "./Backend.ts"
import type { Capabilities } from "./Capabilities.ts"
import type { Command } from "./Command.ts"
import type { ExecError } from "./ExecError.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import type { DetachOptions, ExecOptions, KillOptions, SpawnOptions } from "./ExecOptions.ts"
import { CommandFailed, type ExecResult } from "./ExecResult.ts"
import type { DetachedProcess, EventsOptions, Process } from "./Process.ts"
import type { ProcessId } from "./ProcessId.ts"
import type { ProcessInfo } from "./ProcessInfo.ts"

/** Finds a detached process: its id or tag, or its pid as a number or as digits. */
export type Selector = ProcessId | string | number

/** Runs commands somewhere. */
export class Exec extends Context.Service<
  Exec,
  {
    readonly spawn: <E = never, R = never>(
      command: Command,
      options?: SpawnOptions<E, R>
    ) => Effect.Effect<Process<E>, ExecError, Scope.Scope | R>
    readonly run: <E = never, R = never>(
      command: Command,
      options?: ExecOptions<E, R>
    ) => Effect.Effect<ExecResult, ExecError | E, R>
    readonly stream: <E = never, R = never>(
      command: Command,
      options?: ExecOptions<E, R>
    ) => Stream.Stream<ExecEvent, ExecError | E, R>
    readonly detach: <E = never, R = never>(
      command: Command,
      options?: DetachOptions<E, R>
    ) => Effect.Effect<DetachedProcess, ExecError, R>
    readonly get: (selector: Selector) => Effect.Effect<DetachedProcess, ExecError>
    readonly connect: (selector: Selector, options?: EventsOptions) => Stream.Stream<ExecEvent, ExecError>
    readonly list: (options?: {
      readonly exited?: boolean | undefined
    }) => Effect.Effect<ReadonlyArray<ProcessInfo>, ExecError>
    readonly kill: (selector: Selector, options?: KillOptions) => Effect.Effect<void, ExecError>
    readonly events: Stream.Stream<readonly [ProcessId, ExecEvent], ExecError>
    readonly capabilities: Effect.Effect<Capabilities, ExecError>
  }
>()("effect-exec/Exec") {}

/** The defaults of every option, in one place. */
export interface Defaults {
  readonly timeout: Duration.Duration
  readonly maxOutput: number
  readonly grace: Duration.Duration
  readonly killDeadline: Duration.Duration
  readonly ring: number
}
/** The defaults of every option, in one place: read per call, in the caller's context. */
export const Defaults = Context.Reference<Defaults>("effect-exec/Exec/Defaults", {
  defaultValue: () => ({
    timeout: Duration.seconds(30),
    maxOutput: 10 * 1024 * 1024,
    grace: Duration.seconds(2),
    killDeadline: Duration.seconds(5),
    ring: 1024 * 1024
  })
})

/** Changes some defaults for the effect. */
export declare const withDefaults: (
  defaults: Partial<Defaults>
) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** Turns a result that is not `ok` into a `CommandFailed`, which carries it. */
export const orFail = <E, R>(
  effect: Effect.Effect<ExecResult, E, R>
): Effect.Effect<ExecResult, E | CommandFailed, R> =>
  Effect.flatMap(effect, (result) => (result.ok ? Effect.succeed(result) : Effect.fail(new CommandFailed({ result }))))

export interface TextOptions {
  /** `"both"` by default. */
  readonly of?: "stdout" | "stderr" | "both" | undefined
}
export interface LinesOptions extends TextOptions {
  /** The longest line in bytes of text, 1 MiB by default. A longer one is split. */
  readonly maxLength?: number | undefined
  /** What every part of a split line but the last ends with. `"…"` by default. */
  readonly mark?: string | undefined
}
export declare const text: (
  options?: TextOptions
) => <E, R>(events: Stream.Stream<ExecEvent, E, R>) => Stream.Stream<string, E, R>
export declare const lines: <E, R>(
  events: Stream.Stream<ExecEvent, E, R>,
  options?: LinesOptions
) => Stream.Stream<string, E, R>

/** Derives the whole service from a backend's one primitive; what it starts ends when the scope closes. */
export declare const make: (backend: Backend) => Effect.Effect<Exec["Service"], never, Scope.Scope>
