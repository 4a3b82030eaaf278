/**
 * What `run` gives: how the process ended, and what it wrote.
 */
import * as Schema from "effect/Schema"
import { EndedBy } from "./ExecEvent.ts"
import { ExitStatus, toCode } from "./ExitStatus.ts"
import * as utf8 from "./internal/utf8.ts"

/** How a process ended, and what it wrote. Survives a JSON round trip. */
export class ExecResult extends Schema.Class<ExecResult>("effect-exec/ExecResult")({
  pid: Schema.Int,
  status: ExitStatus,
  stdoutBytes: Schema.Uint8Array,
  stderrBytes: Schema.Uint8Array,
  /** From the start to the exit. */
  duration: Schema.Duration,
  endedBy: EndedBy,
  /** There was more output than this: it passed `maxOutput`, or was evicted from the ring. */
  truncated: Schema.Boolean,
  /** Something outside the tree still held the output open when it was closed, so that there may have been more. */
  incomplete: Schema.Boolean
}) {
  #stdout: string | undefined
  #stderr: string | undefined

  /** Standard output as text, decoded on demand; what is not UTF-8 becomes U+FFFD. */
  get stdout(): string {
    return (this.#stdout ??= utf8.decode(this.stdoutBytes))
  }

  /** Standard error as text, decoded on demand; what is not UTF-8 becomes U+FFFD. */
  get stderr(): string {
    return (this.#stderr ??= utf8.decode(this.stderrBytes))
  }

  /** The exit code, or 128 + n for a death by signal n, as shells say it. */
  get exitCode(): number {
    return toCode(this.status)
  }

  /** Whether its `timeout` ended it. */
  get timedOut(): boolean {
    return this.endedBy === "timeout"
  }

  /** Exit code 0, and not timed out. */
  get ok(): boolean {
    return this.exitCode === 0 && !this.timedOut
  }
}

/** A result that is not `ok`, as an error: what `Exec.orFail` fails with. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { result: ExecResult }) {
  override get message(): string {
    const { result } = this
    const lastWords = result.stderr.trimEnd().slice(-500)
    return `The command ended with ${
      result.timedOut ? "a timeout" : `exit code ${result.exitCode}`
    }${lastWords === "" ? "" : `: ${lastWords}`}`
  }
}
