/**
 * What ends a process, and how: the options with every default filled in. The side that owns the process enforces it.
 */
import type * as Duration from "effect/Duration"
import type { Lingering } from "./ExecOptions.ts"

/** What ends a process, and how. */
export interface Policy {
  readonly timeout: Duration.Duration
  readonly grace: Duration.Duration
  readonly killDeadline: Duration.Duration
  readonly maxOutput: number
  readonly lingering: Lingering
}
