/**
 * What `--json` prints, one of these a line. Stable: types and fields may be added, none is taken away or changed.
 *
 * Bytes that are UTF-8 are text; others are in Base64, in a field that says so.
 */
import * as Schema from "effect/Schema"

const Offset = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Base64 = Schema.String

/** How a process ended. */
const ended = {
  /** Of this program: the process's own, 128 + n for a signal, 124 for a timeout, 125 for a limit of output. */
  exitCode: Schema.Int,
  /** The signal that ended it, if one did: `SIGKILL`. */
  signal: Schema.optionalKey(Schema.String),
  /** The signal was the kernel's, because memory ran out. */
  outOfMemory: Schema.optionalKey(Schema.Literal(true)),
  endedBy: Schema.Literals(["self", "timeout", "maxOutput", "signal"]),
  durationMs: Schema.Finite,
  /** Something outside of its tree still held its output open, so that there may have been more. */
  incomplete: Schema.Boolean
}

const pid = Schema.Int

/** What `--json` prints, one a line. */
export const JsonEvent = Schema.Union([
  /** `stream`, `logs`, `attach`: the process runs. */
  Schema.Struct({ type: Schema.Literal("started"), id: Schema.String, pid }),
  /** `stream`, `logs`, `attach`: its output, from this byte of both streams together on. */
  Schema.Struct({
    type: Schema.Literals(["stdout", "stderr"]),
    offset: Offset,
    text: Schema.optionalKey(Schema.String),
    base64: Schema.optionalKey(Base64)
  }),
  /** `stream`, `logs`, `attach`: bytes that were lost before they could be read. */
  Schema.Struct({ type: Schema.Literal("gap"), from: Offset, to: Offset }),
  /** `stream`, `logs`, `attach`, `wait`: it ended. The last line. */
  Schema.Struct({ type: Schema.Literal("exited"), ...ended }),
  /** `run`: how it ended, and all of its output. The only line. */
  Schema.Struct({
    type: Schema.Literal("result"),
    pid,
    ...ended,
    /** There was more output than this. */
    truncated: Schema.Boolean,
    stdout: Schema.optionalKey(Schema.String),
    stdoutBase64: Schema.optionalKey(Base64),
    stderr: Schema.optionalKey(Schema.String),
    stderrBase64: Schema.optionalKey(Base64)
  }),
  /** `doctor`: whether commands can run there. */
  Schema.Struct({
    type: Schema.Literal("check"),
    place: Schema.String,
    works: Schema.Boolean,
    summary: Schema.String,
    remarks: Schema.Array(Schema.String)
  }),
  /** `detach`, `ps`: a process that lives on, or has; how it ended where it has. */
  Schema.Struct({
    type: Schema.Literal("process"),
    id: Schema.String,
    pid,
    tag: Schema.String,
    argv: Schema.Array(Schema.String),
    cwd: Schema.optionalKey(Schema.String),
    user: Schema.optionalKey(Schema.String),
    tty: Schema.optionalKey(Schema.Literal(true)),
    /** ISO 8601. */
    startedAt: Schema.optionalKey(Schema.String),
    exitCode: Schema.optionalKey(Schema.Int),
    signal: Schema.optionalKey(Schema.String)
  }),
  /** `serve`: clients can connect. */
  Schema.Struct({ type: Schema.Literal("serving"), url: Schema.String, tokenFile: Schema.optionalKey(Schema.String) }),
  /** `capsule`: a capsule of a server. */
  Schema.Struct({
    type: Schema.Literal("capsule"),
    id: Schema.String,
    template: Schema.String,
    status: Schema.Literals(["starting", "running", "failed"]),
    createdAt: Schema.String
  }),
  /** What this program could not do. The last line. */
  Schema.Struct({
    type: Schema.Literal("error"),
    /** The tag of the reason: `CommandNotFound`, `BackendUnavailable` … */
    reason: Schema.String,
    message: Schema.String,
    exitCode: Schema.Int,
    /** Whether the same may succeed later, and nothing was started. */
    retryable: Schema.Boolean
  })
])
/** What `--json` prints, one a line. */
export type JsonEvent = typeof JsonEvent.Type
