/**
 * A process that the test drives by hand: it does nothing by itself. `TestExec.drive` makes it.
 */
import type * as Effect from "effect/Effect"
import type { ExitStatus } from "effect-exec/ExitStatus"
import type { ProcessIO } from "./Program.ts"

/** A process that the test drives by hand. Everything waits until the program under test has started it. */
export interface TestProcess {
  /** The process from inside: what it was called with, its stdin, what becomes of signals. */
  readonly started: Effect.Effect<ProcessIO>
  /** Writes to its standard output; waits while the pipe is full. Dies when the process has ended. */
  readonly emit: (data: string | Uint8Array) => Effect.Effect<void>
  /** Writes to its standard error, as `emit` does. */
  readonly emitError: (data: string | Uint8Array) => Effect.Effect<void>
  /** Ends it, with exit code 0 by default. Dies when it has ended already. */
  readonly exit: (status?: number | ExitStatus) => Effect.Effect<void>
  /** How it ended, once it has: by `exit`, or by whoever killed it. */
  readonly ended: Effect.Effect<ExitStatus>
}
