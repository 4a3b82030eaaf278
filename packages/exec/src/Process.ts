/**
 * Handles: a live process that a scope owns, and a detached one that the layer or the capsule owns.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Command } from "./Command.ts"
import type { ExecError } from "./ExecError.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import type { KillOptions } from "./ExecOptions.ts"
import type { ExecResult } from "./ExecResult.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import * as internal from "./internal/observe.ts"
import type { ProcessId } from "./ProcessId.ts"
import type { TtySize } from "./TtySize.ts"

/** What both kinds of handle can do. */
export interface ProcessHandle {
  readonly id: ProcessId
  readonly pid: number
  readonly tag: string
  readonly command: Command
  readonly isRunning: Effect.Effect<boolean, ExecError>
  /**
   * Writes to the stdin of a process spawned with `stdin: "open"`; waits while its pipe is full. Fails with
   * `ProcessExited` when it has exited or closed its stdin, and with `Unsupported` when its stdin was not opened.
   */
  readonly write: (data: string | Uint8Array) => Effect.Effect<void, ExecError>
  /** Closes stdin, so that the process reads end-of-file. Idempotent. */
  readonly closeStdin: Effect.Effect<void, ExecError>
  /** Changes the size of the terminal; `Unsupported` without one. */
  readonly resize: (size: TtySize) => Effect.Effect<void, ExecError>
  /** Sends a signal to the process alone: `kill` with scope `"process"`. */
  readonly signal: (signal: string | number) => Effect.Effect<void, ExecError>
  /**
   * Sends a signal, to the whole tree by default; with `grace` it escalates to KILL, and returns when the tree is gone.
   * Killing what has exited succeeds.
   */
  readonly kill: (options?: KillOptions) => Effect.Effect<void, ExecError>
}

/**
 * A live process, owned by the scope it was spawned in: closing that ends its tree.
 *
 * Somebody has to read `events`: a process that fills its pipe waits until there is room.
 */
export interface Process<out E = never> extends ProcessHandle {
  /**
   * Its output as it comes, with backpressure: while nobody pulls, the process waits. Every event is given once;
   * running the stream again goes on where it was left, and ending it ends nothing.
   */
  readonly events: Stream.Stream<ExecEvent, ExecError | E>
  /** How the process itself ended. Does not read: a process that fills its pipe ends only when somebody does. */
  readonly wait: Effect.Effect<ExitStatus, ExecError>
}

/** What `read` and `peek` give: the output that the ring holds, as text with whole characters. */
export interface BufferSnapshot {
  readonly stdout: string
  readonly stderr: string
  /** Bytes lost so far: evicted, or the rest of a character whose beginning was. */
  readonly evicted: number
}

/**
 * A process that outlives its caller: its output goes into a ring buffer from the first byte on, and any number of
 * readers follow that at their own pace.
 */
export interface DetachedProcess extends ProcessHandle {
  /**
   * Replays what the ring holds, from an offset, then follows live until the end. Readers disturb neither each other
   * nor the process; one that falls behind gets a `Gap`. Ending the stream ends nothing.
   */
  readonly events: (options?: EventsOptions) => Stream.Stream<ExecEvent, ExecError>
  /** Takes the output that the ring holds, and so makes room. An incomplete character is kept for the next read. */
  readonly read: Effect.Effect<BufferSnapshot, ExecError>
  /** Shows the output that the ring holds, and leaves it there. */
  readonly peek: Effect.Effect<BufferSnapshot, ExecError>
  /** Bytes that the ring holds now. */
  readonly bufferSize: Effect.Effect<number, ExecError>
  /** Whether bytes were lost: evicted because the ring was full, or dropped after the end by the retention. */
  readonly bufferOverflow: Effect.Effect<boolean, ExecError>
  /** How many bytes were lost: evicted because the ring was full, or dropped after the end by the retention. */
  readonly evicted: Effect.Effect<number, ExecError>
  /**
   * Waits for the end and gives the result with what the ring still holds. With a `timeout` that passes first it
   * fails with `WaitTimedOut`, and the process runs on.
   */
  readonly wait: (options?: { readonly timeout?: Duration.Input | undefined }) => Effect.Effect<ExecResult, ExecError>
}

/** Where to begin, and whether to hold the process. */
export interface EventsOptions {
  /** The offset to begin at. 0 by default: from the first byte that is still there. */
  readonly from?: number | undefined
  /**
   * `"skip"`, the default: what is evicted before it was read is a `Gap`. `"block"`: makes a process with
   * `overflow: "block"` wait for this reader.
   */
  readonly lag?: "skip" | "block" | undefined
}

/** What to do when a detached process writes or ends. */
export interface Callbacks<E, R> {
  /** With the next of its standard output as text, in whole characters, from the first byte that its ring holds. */
  readonly onStdout?: ((text: string, process: DetachedProcess) => Effect.Effect<unknown, E, R>) | undefined
  /** With the next of its standard error as text, in whole characters, from the first byte that its ring holds. */
  readonly onStderr?: ((text: string, process: DetachedProcess) => Effect.Effect<unknown, E, R>) | undefined
  /** Once, when it has ended. */
  readonly onExit?: ((status: ExitStatus, process: DetachedProcess) => Effect.Effect<unknown, E, R>) | undefined
}

/**
 * Calls back until the scope closes, or the process ends.
 *
 * Each callback is called once at a time, and for itself: a slow one delays neither the process nor the others, only
 * misses what the ring evicts meanwhile; a failing one is logged and called again with what comes next.
 */
export const observe: <E, R>(
  process: DetachedProcess,
  callbacks: Callbacks<E, R>
) => Effect.Effect<void, never, R | Scope.Scope> = internal.observe
