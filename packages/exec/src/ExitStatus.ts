/**
 * How a process ended. A value, never an error: what the process did is data.
 */
import * as Schema from "effect/Schema"
import * as Signal from "./Signal.ts"

/**
 * How a process ended.
 *
 * - `Exited`: it called `exit`, or returned from `main`, with this code (0 to 255).
 * - `Signaled`: a signal ended it; `cause: "oom"` where the backend knows that memory ran out.
 */
export const ExitStatus = Schema.TaggedUnion({
  Exited: { code: Schema.Int },
  Signaled: { signal: Signal.schema, cause: Schema.optionalKey(Schema.Literal("oom")) }
})
/** How a process ended. */
export type ExitStatus = typeof ExitStatus.Type

/** The status of a process that exited with a code. */
export const exited = (code: number): ExitStatus => ({ _tag: "Exited", code })

/** The status of a process that a signal ended. */
export const signaled = (signal: Signal.Signal): ExitStatus => ({ _tag: "Signaled", signal })

/**
 * One number for both, as shells say it: the code, or 128 + the signal's number.
 *
 * ```ts
 * import { ExitStatus } from "effect-exec"
 *
 * ExitStatus.toCode(ExitStatus.signaled("SIGKILL")) // => 137
 * ```
 */
export const toCode = (status: ExitStatus): number =>
  status._tag === "Exited" ? status.code : 128 + Signal.toNumber(status.signal)

/** For people: `exit 3`, `SIGKILL`, `SIGKILL (out of memory)`. */
export const format: (status: ExitStatus) => string = ExitStatus.match({
  Exited: ({ code }) => `exit ${code}`,
  Signaled: ({ signal, cause }) => (cause === "oom" ? `${signal} (out of memory)` : signal)
})
