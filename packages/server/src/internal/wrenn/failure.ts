/**
 * Failures, as Wrenn's API tells of them.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { isHttpServerError } from "effect/http/HttpServerError"
import * as Response from "effect/http/HttpServerResponse"
import { isMultipartError } from "effect/http/Multipart"
import * as Schema from "effect/Schema"
import type { Failure } from "@effect-exec/capsule/WrennWire"
import * as ExecError from "effect-exec/ExecError"

type Encoded = (typeof Failure.Encoded)["error"]

const encode = Schema.encodeSync(Schema.toCodecJson(ExecError.ExecError))

/** An answer that is no success. */
export class WrennFailure extends Schema.TaggedError<WrennFailure>()("WrennFailure", {
  status: Schema.Int,
  code: Schema.String,
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** What is wrong with a request. */
export const invalid = (problem: string) => new WrennFailure({ status: 400, code: "invalid_request", problem })

export const notFound = (problem: string) => new WrennFailure({ status: 404, code: "not_found", problem })

export const tooLarge = (problem: string) => new WrennFailure({ status: 413, code: "too_large", problem })

/** Of a body that does not come. */
export const tooSlow = (problem: string) => new WrennFailure({ status: 408, code: "timeout", problem })

/** What went wrong where commands run. */
export const agentError = (problem: string) => new WrennFailure({ status: 502, code: "agent_error", problem })

const reasons: Partial<Record<ExecError.Reason["_tag"], readonly [status: number, code: string]>> = {
  InvalidCommand: [400, "invalid_request"],
  SandboxNotFound: [404, "not_found"],
  ProcessNotFound: [404, "not_found"],
  SandboxNotRunning: [409, "invalid_state"],
  TagInUse: [409, "conflict"],
  LimitReached: [429, "rate_limited"],
  Unsupported: [501, "agent_error"],
  BackendUnavailable: [503, "host_unavailable"]
}

/** A failure in the API's own words, where it has some. */
export const words = ({ message, reason }: ExecError.ExecError): string => {
  switch (reason._tag) {
    case "SandboxNotFound":
      return "sandbox not found"
    case "SandboxNotRunning":
      return `sandbox is not running (status: ${reason.state})`
    case "ProcessNotFound":
      return "process not found"
    default:
      return message
  }
}

/** A failure as data, for those who know it. */
export const asData = (error: ExecError.ExecError): Schema.Json => encode(error)

const respond = (status: number, error: Encoded) => Response.jsonUnsafe({ error }, { status })

const ofExec = (error: ExecError.ExecError) => {
  const [status, code] = reasons[error.reason._tag] ?? [502, "agent_error"]
  return respond(status, { code, message: words(error), exec_error: asData(error) })
}

const ofHttp = (error: unknown): WrennFailure | undefined => {
  if (isMultipartError(error)) {
    return error.reason._tag === "Parse" || error.reason._tag === "InternalError"
      ? invalid("invalid multipart body")
      : tooLarge("the body is larger than this server takes")
  }
  if (!isHttpServerError(error)) return undefined
  switch (error.reason._tag) {
    case "RouteNotFound":
      return notFound("no such route")
    case "RequestParseError":
      return error.reason.reason === "BodyTooLarge"
        ? tooLarge("the body is larger than this server takes")
        : invalid("invalid JSON body")
    default:
      return undefined
  }
}

/** The answer to a request that failed. */
export const answer = (cause: Cause.Cause<unknown>): Effect.Effect<Response.HttpServerResponse> => {
  const error = Cause.squash(cause)
  if (ExecError.isExecError(error)) return Effect.succeed(ofExec(error))
  if (Schema.isSchemaError(error)) return Effect.succeed(ofWrenn(invalid("invalid JSON body")))
  const known = error instanceof WrennFailure ? error : ofHttp(error)
  if (known !== undefined) return Effect.succeed(ofWrenn(known))
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  const failed = new WrennFailure({
    status: 500,
    code: "internal_error",
    problem: "the server failed; its log says how"
  })
  return Effect.as(Effect.logError("A request failed", cause), ofWrenn(failed))
}

const ofWrenn = ({ code, problem, status }: WrennFailure) => respond(status, { code, message: problem })

/** The answer to whoever does not show who he is. */
export const unauthorized = ofWrenn(
  new WrennFailure({
    status: 401,
    code: "unauthorized",
    problem: "X-API-Key or Authorization: Bearer <token> required"
  })
)
