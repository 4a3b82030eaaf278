/**
 * The one error of `Exec`, with a tagged reason.
 *
 * Only what the backend could not do is an error: start, find, reach or follow a process. What the process did, a
 * non-zero exit or a death by signal included, is a value.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const program = Exec.run(Command.make("no-such-program")).pipe(
 *   Effect.as("ran"),
 *   Effect.catchReason("ExecError", "CommandNotFound", (reason) => Effect.succeed(`${reason.program} is missing`)),
 *   Effect.provide(LocalExec.layer)
 * )
 *
 * await Effect.runPromise(program) // => "no-such-program is missing"
 * ```
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"

/** What a backend knows beyond the reason: its own code and words. Open to new backends, not meant to be matched on. */
export const Detail = Schema.Struct({
  backend: Schema.String,
  code: Schema.optionalKey(Schema.String),
  text: Schema.optionalKey(Schema.String)
})
/** What a backend knows beyond the reason: its own code and words. Open to new backends, not meant to be matched on. */
export type Detail = typeof Detail.Type

const detail = { detail: Schema.optionalKey(Detail) }

const because = (reason: { readonly detail?: Detail }): string =>
  reason.detail?.text === undefined ? "" : ` (${reason.detail.text})`

/** Something in the command or its options is not valid. Nothing was started. */
export class InvalidCommand extends Schema.TaggedError<InvalidCommand>()("InvalidCommand", {
  /** Which part, for example `argv[1]`, `env.FOO`, `timeout`. */
  field: Schema.String,
  /** What is wrong with it and how to mend it, without its value, which may be a secret. */
  problem: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `Invalid ${this.field}: ${this.problem}`
  }
}

/** There is no such program where the command was to run. */
export class CommandNotFound extends Schema.TaggedError<CommandNotFound>()("CommandNotFound", {
  program: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `Command not found: ${this.program}. Is it installed there, and on the PATH that the command is given?`
  }
}

/** The program exists, but may not be executed by this user. */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  program: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `Permission denied: ${this.program} may not be executed by this user${because(this)}`
  }
}

/** The working directory does not exist, is not a directory, or may not be entered. */
export class CwdNotFound extends Schema.TaggedError<CwdNotFound>()("CwdNotFound", { cwd: Schema.String, ...detail }) {
  readonly isRetryable = false
  override get message(): string {
    return `The working directory ${this.cwd} does not exist or cannot be entered${because(this)}`
  }
}

/** The sandbox has no such user. */
export class UserNotFound extends Schema.TaggedError<UserNotFound>()("UserNotFound", {
  user: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `There is no user ${this.user} in the sandbox${because(this)}`
  }
}

// What passes by itself: a table that is full now, memory that is short now.
const transientErrnos = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ETXTBSY"])

/** The kernel refused to start the program for another cause, whose name is in `detail.code` (`E2BIG`, `EAGAIN` …). */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  program: Schema.String,
  detail: Detail
}) {
  get isRetryable(): boolean {
    return this.detail.code !== undefined && transientErrnos.has(this.detail.code)
  }
  override get message(): string {
    return `The program ${this.program} could not be started: ${this.detail.code ?? "cause unknown"}${because(this)}`
  }
}

/** The backend cannot do this; `capabilities` says what it can. Nothing was started. */
export class Unsupported extends Schema.TaggedError<Unsupported>()("Unsupported", {
  feature: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `This backend does not support ${this.feature}${because(this)}`
  }
}

/** The backend could not be reached. Nothing was started. */
export class BackendUnavailable extends Schema.TaggedError<BackendUnavailable>()("BackendUnavailable", {
  backend: Schema.String,
  /** How to mend it. */
  hint: Schema.String,
  ...detail
}) {
  readonly isRetryable = true
  override get message(): string {
    return `The ${this.backend} backend is unavailable${because(this)}. ${this.hint}`
  }
}

/** A limit of the backend is reached (processes, connections …). Nothing was started. */
export class LimitReached extends Schema.TaggedError<LimitReached>()("LimitReached", {
  limit: Schema.String,
  ...detail
}) {
  readonly isRetryable = true
  override get message(): string {
    return `Limit reached: ${this.limit}${because(this)}`
  }
}

/** The backend was lost. When `started`, the command did run and how it ended is unknown. */
export class ConnectionLost extends Schema.TaggedError<ConnectionLost>()("ConnectionLost", {
  started: Schema.Boolean,
  ...detail
}) {
  get isRetryable(): boolean {
    return !this.started
  }
  override get message(): string {
    return `The connection to the backend was lost ${
      this.started ? "while the command ran; how it ended is unknown" : "before the command was started"
    }${because(this)}`
  }
}

/** The other end broke the protocol. How the command ended is unknown. */
export class ProtocolViolation extends Schema.TaggedError<ProtocolViolation>()("ProtocolViolation", {
  problem: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `The backend broke the protocol: ${this.problem}`
  }
}

/** There is no such sandbox; it was removed, or never was. */
export class SandboxNotFound extends Schema.TaggedError<SandboxNotFound>()("SandboxNotFound", {
  sandbox: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `There is no sandbox ${this.sandbox}${because(this)}`
  }
}

/** The sandbox exists, but does not run (`stopped`, `paused` …). Nothing was started, unless it says otherwise. */
export class SandboxNotRunning extends Schema.TaggedError<SandboxNotRunning>()("SandboxNotRunning", {
  sandbox: Schema.String,
  state: Schema.String,
  /** It came to stand still while the command was being started. If it was, or will be, it is ended at once. */
  mayHaveStarted: Schema.optionalKey(Schema.Boolean),
  ...detail
}) {
  get isRetryable(): boolean {
    return this.mayHaveStarted !== true
  }
  override get message(): string {
    return `The sandbox ${this.sandbox} is ${this.state}${because(this)}${
      this.mayHaveStarted === true ? "; whether the command was started is unknown" : ""
    }`
  }
}

/** No detached process, running or retained, answers to this id, tag or pid. */
export class ProcessNotFound extends Schema.TaggedError<ProcessNotFound>()("ProcessNotFound", {
  selector: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `No process with the id, tag or pid ${this.selector} is running or retained`
  }
}

/** The process has ended, or has closed its stdin, and takes no more. */
export class ProcessExited extends Schema.TaggedError<ProcessExited>()("ProcessExited", {
  id: Schema.String,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `The process ${this.id} has exited or closed its stdin`
  }
}

/** Another running process has this tag. Nothing was started. */
export class TagInUse extends Schema.TaggedError<TagInUse>()("TagInUse", { tag: Schema.String, ...detail }) {
  readonly isRetryable = false
  override get message(): string {
    return `The tag ${this.tag} belongs to a process that is still running; kill it first or choose another tag`
  }
}

/** The process did not end within the time that `wait` was given. It runs on. */
export class WaitTimedOut extends Schema.TaggedError<WaitTimedOut>()("WaitTimedOut", {
  id: Schema.String,
  after: Schema.Duration,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `The process ${this.id} was still running after ${Duration.format(this.after)}`
  }
}

/** Some of the processes could not be ended or signalled, for example for lack of permission. */
export class KillFailed extends Schema.TaggedError<KillFailed>()("KillFailed", { id: Schema.String, ...detail }) {
  readonly isRetryable = false
  override get message(): string {
    return `The process ${this.id} or one of its descendants could not be signalled${because(this)}`
  }
}

/** The stream given as stdin of a detached process failed; its tree was ended. */
export class StdinFailed extends Schema.TaggedError<StdinFailed>()("StdinFailed", { id: Schema.String, ...detail }) {
  readonly isRetryable = false
  override get message(): string {
    return `The stdin stream of the process ${this.id} failed${because(this)}`
  }
}

/** What this belongs to (a layer, a ring buffer) was closed. */
export class Closed extends Schema.TaggedError<Closed>()("Closed", { what: Schema.String, ...detail }) {
  readonly isRetryable = false
  override get message(): string {
    return `The ${this.what} was closed`
  }
}

/** A subscriber to the events of all processes fell so far behind that ends of processes would be missing. */
export class SubscriberLagged extends Schema.TaggedError<SubscriberLagged>()("SubscriberLagged", {
  processes: Schema.Int,
  ...detail
}) {
  readonly isRetryable = false
  override get message(): string {
    return `This subscriber has yet to read the ends of ${this.processes} processes, more than are retained`
  }
}

/** Every reason an `ExecError` can have. */
export const Reason = Schema.Union([
  InvalidCommand,
  CommandNotFound,
  PermissionDenied,
  CwdNotFound,
  UserNotFound,
  StartFailed,
  Unsupported,
  BackendUnavailable,
  LimitReached,
  ConnectionLost,
  ProtocolViolation,
  SandboxNotFound,
  SandboxNotRunning,
  ProcessNotFound,
  ProcessExited,
  TagInUse,
  WaitTimedOut,
  KillFailed,
  StdinFailed,
  Closed,
  SubscriberLagged
])
/** Every reason an `ExecError` can have. */
export type Reason = typeof Reason.Type

/** What the backend could not do, with the reason. Survives a JSON round trip. */
export class ExecError extends Schema.TaggedError<ExecError>()("ExecError", { reason: Reason }) {
  /** One sentence that one can act on. */
  override get message(): string {
    return this.reason.message
  }

  /**
   * True only where the command provably did not start and the same call may succeed later, so that retrying never
   * runs a command twice.
   */
  get isRetryable(): boolean {
    return this.reason.isRetryable
  }
}

/** An `ExecError` of this reason. */
export const make = (reason: Reason): ExecError => new ExecError({ reason })

/** Whether the value is an `ExecError`. */
export const isExecError = (value: unknown): value is ExecError => value instanceof ExecError
