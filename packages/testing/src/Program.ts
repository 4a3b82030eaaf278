/**
 * A program in memory: what a command does in a `TestExec`, written as an Effect.
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import type { Program } from "@effect-exec/testing"
 *
 * const wc: Program.Program = (io) =>
 *   io.stdin.pipe(
 *     Stream.runFold(() => 0, (total, bytes) => total + bytes.length),
 *     Effect.flatMap((total) => io.stdout(`${total}\n`))
 *   )
 * ```
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ExitStatus } from "effect-exec/ExitStatus"
import type { Signal } from "effect-exec/Signal"
import type { TtySize } from "effect-exec/TtySize"

/**
 * What a command does. It ends when the Effect does: with this code or status, or with code 0. A defect is not an
 * ending that a process can have, so it becomes the defect of whoever runs the command.
 *
 * A signal that nothing traps interrupts it; what still runs then (finalizers) belongs to no process any more.
 */
export type Program = (io: ProcessIO) => Effect.Effect<number | ExitStatus | void, never, Scope.Scope>

/** What becomes of a signal: nothing, what the system does by default, or this effect. */
export type Disposition = "ignore" | "default" | Effect.Effect<void>

/** The world as a program sees it. */
export interface ProcessIO {
  /** Of this process alone, as long as the sandbox lives. */
  readonly pid: number
  /** The arguments, without the program's name. */
  readonly args: ReadonlyArray<string>
  readonly argv: readonly [program: string, ...args: ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly user: string
  /** The size of the terminal, where the command has one. It changes when SIGWINCH is raised. */
  readonly tty: Effect.Effect<TtySize | undefined>
  /** What is left of stdin, up to its end. */
  readonly stdin: Stream.Stream<Uint8Array>
  /** As soon as there is something on stdin, that; `undefined` at its end. */
  readonly read: Effect.Effect<Uint8Array | undefined>
  /**
   * Writes, and waits while the pipe (64 KiB) is full. When nobody can read it any more, SIGPIPE is raised; where that
   * is ignored, the bytes are gone.
   */
  readonly stdout: (data: string | Uint8Array) => Effect.Effect<void>
  /** Writes, as `stdout` does. */
  readonly stderr: (data: string | Uint8Array) => Effect.Effect<void>
  readonly closeStdin: Effect.Effect<void>
  readonly closeStdout: Effect.Effect<void>
  readonly closeStderr: Effect.Effect<void>
  /** Sets what a signal does from now on. KILL and STOP cannot be changed. */
  readonly on: (signal: Signal, disposition: Disposition) => Effect.Effect<void>
  /** Ends the process now, also from within a handler of `on`. */
  readonly exit: (status: number | ExitStatus) => Effect.Effect<never>
  /** Starts another program as a child; it holds the same output, and outlives its parent. */
  readonly fork: (program: Program, options?: ForkOptions) => Effect.Effect<Child>
  /** Sends a signal to a process of the sandbox, `false` when there is none with this pid. */
  readonly kill: (pid: number, signal: Signal) => Effect.Effect<boolean>
  /** How this process ended, once it has: for those who outlive it, such as a test. */
  readonly ended: Effect.Effect<ExitStatus>
  /** The processes of the sandbox that run now. */
  readonly processes: Effect.Effect<ReadonlyArray<ProcessEntry>>
}

/** How to start a child. */
export interface ForkOptions {
  /** Replaces the environment that it would inherit. */
  readonly env?: Readonly<Record<string, string>>
  /** `"closed"` gives it no output, so that it does not keep the pipes open. */
  readonly output?: "inherit" | "closed"
  /** Puts it where no signal to the tree can reach it. */
  readonly escape?: boolean
}

/** A child that was started. */
export interface Child {
  readonly pid: number
  readonly wait: Effect.Effect<ExitStatus>
}

/** A running process, as `ps` would show it. */
export interface ProcessEntry {
  readonly pid: number
  readonly argv: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}
