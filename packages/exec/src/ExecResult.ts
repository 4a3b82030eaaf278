/**
 * What `run` gives: how the process ended, and what it wrote.
 */
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Schema from "effect/Schema"
import * as Sink from "effect/Sink"
import * as ExecError from "./ExecError.ts"
import { EndedBy, type ExecEvent, type Exited } from "./ExecEvent.ts"
import { ExitStatus, toCode } from "./ExitStatus.ts"
import { concat } from "./internal/bytes.ts"
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

/** Folds the events of one process, from `Started` to `Exited`, into a result. */
class Collector {
  private pid: number | undefined
  private readonly stdout: Array<Uint8Array> = []
  private readonly stderr: Array<Uint8Array> = []
  private truncated = false
  private exited: Exited | undefined

  add(event: ExecEvent): void {
    switch (event._tag) {
      case "Started":
        this.pid = event.pid
        return
      case "Stdout":
        this.stdout.push(event.bytes)
        return
      case "Stderr":
        this.stderr.push(event.bytes)
        return
      case "Gap":
        this.truncated = true
        return
      case "Exited":
        this.exited = event
    }
  }

  readonly result: Effect.Effect<ExecResult, ExecError.ExecError> = Effect.suspend(() => {
    const { pid, exited, truncated } = this
    // Without its last event nothing is known of the end, and nothing is made up.
    if (pid === undefined || exited === undefined) {
      return Effect.fail(ExecError.make(new ExecError.ConnectionLost({ started: pid !== undefined })))
    }
    const { _tag, ...ended } = exited
    const stdoutBytes = concat(this.stdout)
    const stderrBytes = concat(this.stderr)
    return Effect.succeed(new ExecResult({ pid, stdoutBytes, stderrBytes, truncated, ...ended }))
  })
}

/** Pulls to the end, folding every event. */
export const collectPull = <E>(
  pull: Pull.Pull<ReadonlyArray<ExecEvent>, E>
): Effect.Effect<ExecResult, Pull.ExcludeDone<E> | ExecError.ExecError> =>
  Effect.suspend(() => {
    const collector = new Collector()
    const step = Effect.map(pull, (events) => {
      for (const event of events) collector.add(event)
    })
    return Pull.catchDone(Effect.forever(step, { disableYield: true }), () => collector.result)
  })

/**
 * Folds the events of a stream into the result that `run` would have given.
 *
 * Fails with `ConnectionLost` when the stream ends without `Exited`. Keeps all output in memory: `maxOutput` is what
 * bounds it.
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { Command, Exec, ExecResult } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const program = Exec.stream(Command.shell("echo out; exit 3")).pipe(
 *   Stream.run(ExecResult.collect),
 *   Effect.map((result) => [result.stdout, result.exitCode]),
 *   Effect.provide(LocalExec.layer)
 * )
 *
 * await Effect.runPromise(program) // => ["out\n", 3]
 * ```
 */
export const collect: Sink.Sink<ExecResult, ExecEvent, never, ExecError.ExecError> = Sink.fromTransform((upstream) =>
  Effect.map(collectPull(upstream), (result) => [result])
)
