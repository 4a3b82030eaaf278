/**
 * What owns processes: it starts them under their policy, ends them, and keeps the detached ones.
 *
 * `Supervisor.make` makes one of a backend, on this side. Only a backend whose other side enforces the policy itself, as
 * a capsule's server does, writes its own, and gets the rest of the service from `Exec.fromHost`.
 */
import type * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { SpawnRequest } from "./Backend.ts"
import type { Capabilities } from "./Capabilities.ts"
import type { ExecError } from "./ExecError.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import type { Files } from "./Files.ts"
import type { DetachOptions, SpawnOptions } from "./ExecOptions.ts"
import type { Policy } from "./Policy.ts"
import type { DetachedProcess, Process } from "./Process.ts"
import type { ProcessId } from "./ProcessId.ts"
import type { ProcessInfo } from "./ProcessInfo.ts"

/** A command that was checked against the contract and the capabilities, and the policy it runs under. */
export interface Prepared {
  readonly request: SpawnRequest
  readonly policy: Policy
}

/** A live process, and its events one at a time, for one consumer: what `Process.events` is a stream of. */
export interface Live<out E = never> extends Process<E> {
  readonly pull: Pull.Pull<readonly [ExecEvent], ExecError | E>
}

/** What owns processes. Each member means what it means in `Exec`. */
export interface Host {
  /** For spans and messages: `local`, `docker` … */
  readonly name: string
  /** What it can do; known only once it has been reached. */
  readonly capabilities: Effect.Effect<Capabilities, ExecError>
  /** Starts a command whose process the scope owns. */
  readonly spawn: <E, R>(
    prepared: Prepared,
    options: SpawnOptions<E, R>
  ) => Effect.Effect<Live<E>, ExecError, R | Scope.Scope>
  /** Starts a command whose process is its own. Without an `id` or `tag` in the options, it may choose others. */
  readonly detach: <E, R>(
    prepared: Prepared,
    options: DetachOptions<E, R>
  ) => Effect.Effect<DetachedProcess, ExecError, R>
  readonly get: (selector: string | number) => Effect.Effect<DetachedProcess, ExecError>
  readonly list: (options?: {
    readonly exited?: boolean | undefined
  }) => Effect.Effect<ReadonlyArray<ProcessInfo>, ExecError>
  readonly events: Stream.Stream<readonly [ProcessId, ExecEvent], ExecError>
  readonly files?: Effect.Effect<Files | undefined, ExecError>
}

// What a host of one's own needs to mean the same as all others.
export { duration as checkDuration, kill as checkKill, ttySize as checkTtySize } from "./internal/check.ts"
export { sleep, within } from "./internal/deadline.ts"
export { feed } from "./internal/stdin.ts"
export { reportLeftover } from "./internal/telemetry.ts"
