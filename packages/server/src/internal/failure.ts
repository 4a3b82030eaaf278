/**
 * Failures as HTTP tells them: the error as JSON, and a status.
 */
import * as Response from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import * as ExecError from "effect-exec/ExecError"

const encode = Schema.encodeSync(Schema.toCodecJson(ExecError.ExecError))

const statuses: Partial<Record<ExecError.Reason["_tag"], number>> = {
  InvalidCommand: 400,
  SandboxNotFound: 404,
  ProcessNotFound: 404,
  Unsupported: 404,
  TagInUse: 409,
  LimitReached: 429,
  BackendUnavailable: 503
}

/** The answer that says what went wrong: the error as JSON. */
export const failure = (reason: ExecError.Reason, status = statuses[reason._tag] ?? 500) =>
  Response.jsonUnsafe(encode(ExecError.make(reason)), { status })
