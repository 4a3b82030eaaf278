/**
 * The HTTP and WebSocket API of Wrenn capsules, as far as both ends of this project speak it: bodies and frames, all JSON.
 *
 * Fields that are marked as ours are additions: this project's server sends and takes them, every other client and server
 * of the API ignores them, and nothing depends on them being there.
 */
import * as Schema from "effect/Schema"
import { ExecError } from "effect-exec/ExecError"

const { optionalKey } = Schema

const Strings = Schema.Array(Schema.String)
const Env = Schema.Record(Schema.String, Schema.String)

// What other servers add is none of our business.
const Lingering = Schema.Literals(["kill", "drain", "await", "leave"])

/** A capsule, as the API tells of it. */
export const Capsule = Schema.Struct({
  id: Schema.String,
  /** `pending`, `starting`, `running`, `pausing`, `paused`, `resuming`, `hibernated`, `stopped`, `missing`, `error`. */
  status: Schema.String,
  template: optionalKey(Schema.String),
  timeout_sec: optionalKey(Schema.Number),
  created_at: optionalKey(Schema.String),
  started_at: optionalKey(Schema.String),
  last_active_at: optionalKey(Schema.String),
  last_updated: optionalKey(Schema.String)
})
/** A capsule, as the API tells of it. */
export type Capsule = typeof Capsule.Type

/** What a capsule is made of. */
export const Create = Schema.Struct({
  template: optionalKey(Schema.NullOr(Schema.String)),
  vcpus: optionalKey(Schema.NullOr(Schema.Number)),
  memory_mb: optionalKey(Schema.NullOr(Schema.Number)),
  timeout_sec: optionalKey(Schema.NullOr(Schema.Number))
})
/** What a capsule is made of. */
export type Create = typeof Create.Type

/** A command of `POST …/exec`. */
export const ExecRequest = Schema.Struct({
  cmd: Schema.String,
  args: optionalKey(Schema.NullOr(Strings)),
  timeout_sec: optionalKey(Schema.NullOr(Schema.Number)),
  background: optionalKey(Schema.NullOr(Schema.Boolean)),
  tag: optionalKey(Schema.NullOr(Schema.String)),
  envs: optionalKey(Schema.NullOr(Env)),
  cwd: optionalKey(Schema.NullOr(Schema.String)),
  /** Ours: what becomes of the rest of the tree when the process exits; it is left alone by default. */
  lingering: optionalKey(Lingering)
})
/** A command of `POST …/exec`. */
export type ExecRequest = typeof ExecRequest.Type

/** How a command ended that was waited for. */
export const ExecResponse = Schema.Struct({
  stdout: optionalKey(Schema.NullOr(Schema.String)),
  stderr: optionalKey(Schema.NullOr(Schema.String)),
  exit_code: Schema.Number,
  duration_ms: optionalKey(Schema.Number),
  /** Of `stdout` and `stderr` both: `utf-8`, or `base64` where one of them is no text. */
  encoding: optionalKey(Schema.String)
})

/** A command that was started in the background. */
export const Started = Schema.Struct({ pid: Schema.Int, tag: optionalKey(Schema.String) })

/** What runs in a capsule. */
export const Process = Schema.Struct({
  pid: Schema.Int,
  tag: optionalKey(Schema.String),
  cmd: optionalKey(Schema.String),
  args: optionalKey(Schema.NullOr(Strings))
})
/** What runs in a capsule. */
export type Process = typeof Process.Type

/** All that runs in a capsule. */
export const Processes = Schema.Struct({ processes: optionalKey(Schema.NullOr(Schema.Array(Process))) })

/** A path, and how deep to look. */
export const PathRequest = Schema.Struct({ path: Schema.String, depth: optionalKey(Schema.Number) })

/** A file, a directory, or what else there is. */
export const Entry = Schema.Struct({
  name: Schema.String,
  path: Schema.String,
  type: Schema.String,
  size: Schema.Number,
  mode: Schema.Number,
  permissions: optionalKey(Schema.String),
  owner: optionalKey(Schema.String),
  group: optionalKey(Schema.String),
  modified_at: optionalKey(Schema.Number),
  symlink_target: optionalKey(Schema.String)
})
/** A file, a directory, or what else there is. */
export type Entry = typeof Entry.Type

/** What is in a directory. */
export const Entries = Schema.Struct({ entries: optionalKey(Schema.NullOr(Schema.Array(Entry))) })

/** A directory that was made. */
export const Made = Schema.Struct({ entry: Entry })

/** Why a request failed. */
export const Failure = Schema.Struct({
  error: Schema.Struct({
    code: Schema.String,
    message: Schema.String,
    details: optionalKey(Schema.Record(Schema.String, Schema.Unknown)),
    /** Ours: the same as data. */
    exec_error: optionalKey(Schema.toCodecJson(ExecError))
  })
})
/** Why a request failed. */
export type Failure = typeof Failure.Type

/** The first frame of a client without credentials in its request. */
export const Authenticate = Schema.Struct({ type: Schema.Literal("auth"), token: Schema.String })

/** The first frame of `…/exec/stream`. */
export const Start = Schema.Struct({
  type: Schema.Literal("start"),
  cmd: Schema.NonEmptyString,
  args: optionalKey(Schema.NullOr(Strings)),
  /** Ours, as in `ExecRequest`. */
  lingering: optionalKey(Lingering)
})

/** The first frame of `…/pty`: a terminal, or the one that has this tag. */
export const PtyStart = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("start"),
    cmd: optionalKey(Schema.NullOr(Schema.String)),
    args: optionalKey(Schema.NullOr(Strings)),
    cols: optionalKey(Schema.NullOr(Schema.Int)),
    rows: optionalKey(Schema.NullOr(Schema.Int)),
    envs: optionalKey(Schema.NullOr(Env)),
    cwd: optionalKey(Schema.NullOr(Schema.String))
  }),
  Schema.Struct({ type: Schema.Literal("connect"), tag: Schema.String })
])

/** What a client says of a terminal; input is base64, or a binary frame. */
export const PtyInput = Schema.Union([
  Schema.Struct({ type: Schema.Literal("input"), data: Schema.String }),
  Schema.Struct({ type: Schema.Literal("resize"), cols: Schema.Int, rows: Schema.Int }),
  Schema.Struct({ type: Schema.Literal("kill") })
])

/** What a server says of a process. Types that are not listed are to be ignored. */
export const ProcessEvent = Schema.Struct({
  type: Schema.String,
  pid: optionalKey(Schema.Int),
  /** Text; of output, what is no UTF-8 in it is U+FFFD. */
  data: optionalKey(Schema.String),
  /** -1 for a death by signal. */
  exit_code: optionalKey(Schema.Int),
  /** Ours: the bytes of output that is no UTF-8, as base64. */
  bytes: optionalKey(Schema.String),
  /** Ours: the signal that ended the process. */
  signal: optionalKey(Schema.String),
  /** Ours, of an `exit`: nothing is left of the tree. */
  tree_gone: optionalKey(Schema.Boolean),
  /** Ours, of a `gap`: the bytes from this offset up to the other were evicted before they could be sent. */
  from: optionalKey(Schema.Number),
  to: optionalKey(Schema.Number),
  /** Ours, of an `error`: the same as data. */
  exec_error: optionalKey(Schema.toCodecJson(ExecError))
})
/** What a server says of a process. */
export type ProcessEvent = typeof ProcessEvent.Type
