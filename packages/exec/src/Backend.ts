/**
 * What a backend writes: one primitive, `spawn`. Everything that is policy (timeouts, caps, lingering, rings, tags)
 * is derived from it, once, by `Exec.make`.
 */
import type * as Arr from "effect/Array"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import type { Capabilities } from "./Capabilities.ts"
import type { Command } from "./Command.ts"
import type { ExecError } from "./ExecError.ts"
import type { Files } from "./Files.ts"
import type { Lingering } from "./ExecOptions.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import type { ProcessId } from "./ProcessId.ts"
import type { Signal } from "./Signal.ts"
import type { TtySize } from "./TtySize.ts"

/** Bytes of one stream. The receiver owns them: the backend never touches them again. */
export interface Output {
  readonly fd: 1 | 2
  readonly bytes: Uint8Array
}

/** A command that was checked, and how its process is to be set up. */
export interface SpawnRequest {
  readonly id: ProcessId
  readonly command: Command
  /** `"none"` is end-of-file at once. */
  readonly stdin: "none" | "pipe"
  /** `"leave"` moves what is left of the tree when the process exits from the scope of the spawn to the layer's. */
  readonly lingering: Lingering
}

/** Who is told what becomes of a process, so that no fiber has to wait for it. */
export interface Listener {
  /** What `exited` gives, or how it fails: once, and before whoever waits for that goes on. */
  readonly exited: (exit: Exit.Exit<ExitStatus, ExecError>) => void
  /** The pull that `whenReadable` was asked for would not wait any more. */
  readonly readable: () => void
}

/** Which processes a signal goes to. */
export type SignalScope = "process" | "tree"

/**
 * A running process, owned by the Scope it was spawned in. Closing the scope kills its tree and gives everything back;
 * it must return promptly and never fail.
 */
export interface Running {
  readonly pid: number
  /**
   * The only thing that reads from the process, for one consumer at a time. Ends when both streams are at end-of-file
   * or closed. Interrupting it loses nothing: the next pull goes on. When the backend is lost it fails, after all
   * bytes that did arrive.
   */
  readonly pull: Pull.Pull<Arr.NonEmptyReadonlyArray<Output>, ExecError>
  /**
   * Ends the reading, for output that something outside the tree holds open: a pull that waits or comes later gives
   * what was read already, then ends.
   */
  readonly closeOutput: Effect.Effect<void>
  /** Writes to stdin; waits while the pipe is full. Fails with `ProcessExited` when nobody can read it any more. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, ExecError>
  /** Closes stdin, so that the process reads end-of-file. Idempotent. */
  readonly closeStdin: Effect.Effect<void, ExecError>
  /** The process ended. Says nothing about its descendants nor its pipes, and does not depend on anybody's reading. */
  readonly exited: Effect.Effect<ExitStatus, ExecError>
  /**
   * Has one listener told of the exit, also where that is known already. May be absent: a fiber then waits for `exited`, and
   * another one for `pull`, which costs more than a process that is quiet does otherwise. What wraps another one and changes
   * what either gives must not pass this on as it is: it tells the same itself, or leaves this away.
   */
  readonly tell?: (listener: Listener) => void
  /**
   * Has the listener told, once, when a pull would not wait; false, and nothing is told, where it would not now. A pull in the
   * meantime takes that back.
   */
  readonly whenReadable?: () => boolean
  /** The process and all of its tree that the backend can see have ended. Does not depend on anybody's reading. */
  readonly treeEmpty: Effect.Effect<void, ExecError>
  /**
   * Sends a signal. What has ended already is not an error. `SIGKILL` to the tree is repeated until the tree is empty,
   * and returns then; a tree that forks faster than it is looked at ends too.
   */
  readonly signal: (signal: Signal, scope: SignalScope) => Effect.Effect<void, ExecError>
  /** Changes the size of the terminal; absent without one. */
  readonly resize?: (size: TtySize) => Effect.Effect<void, ExecError>
}

/** A place where commands run. */
export interface Backend {
  /** For spans and messages: `local`, `docker` … */
  readonly name: string
  /** What it can do; known only once it has been reached. */
  readonly capabilities: Effect.Effect<Capabilities, ExecError>
  /**
   * Starts a command. The command was checked and what the capabilities lack was refused before, so only what the
   * backend alone can know is left to fail: `CommandNotFound`, `PermissionDenied`, `CwdNotFound`, `UserNotFound`,
   * `StartFailed`, `BackendUnavailable` …
   */
  readonly spawn: (request: SpawnRequest) => Effect.Effect<Running, ExecError, Scope.Scope>
  /**
   * What it can do with files without running a command, known only once it has been reached; `undefined`, or absent,
   * where that is nothing: then commands do it.
   */
  readonly files?: Effect.Effect<Files | undefined, ExecError>
}
