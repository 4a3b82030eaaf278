/**
 * What every HTTP request goes through: who asks, and how a failure is answered.
 */
import * as ByteSize from "effect/ByteSize"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { MaxBodySize } from "effect/http/HttpIncomingMessage"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import { type HttpServerError, isHttpServerError } from "effect/http/HttpServerError"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Response from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ExecError from "effect-exec/ExecError"
import type { Limits } from "../Limits.ts"
import { type Identify, shownBy } from "./auth.ts"
import type { Capsules } from "./capsules.ts"
import { failure } from "./failure.ts"
import type { Origins } from "./origins.ts"
import { routes } from "./routes.ts"
import type { Report } from "./telemetry.ts"
import * as wrennFailure from "./wrenn/failure.ts"
import * as wrenn from "./wrenn/routes.ts"

/** What answers requests. */
export type HttpApp = Effect.Effect<
  Response.HttpServerResponse,
  never,
  HttpServerRequest.HttpServerRequest | Scope.Scope
>

/** What it is made of. */
export interface Parts {
  readonly capsules: Capsules
  readonly identify: Identify
  readonly origins: Origins
  readonly limits: Limits
  readonly metrics: Effect.Effect<string>
  readonly report: Report
}

const unavailable = (hint: string, text: string) =>
  new ExecError.BackendUnavailable({ backend: "capsule", hint, detail: { backend: "capsule", text } })

const unauthorized = Response.setHeader(
  failure(unavailable("Give the token that the server was started with.", "the token is missing or wrong"), 401),
  "www-authenticate",
  "Bearer"
)

const forbidden = (problem: string) =>
  failure(unavailable("The server does not take requests from there; add it to the server's list.", problem), 403)

const unreadable = (error: HttpServerError | Schema.SchemaError, limits: Limits): Response.HttpServerResponse => {
  if (!isHttpServerError(error)) {
    return failure(new ExecError.InvalidCommand({ field: "body", problem: error.message }))
  }
  const { reason } = error
  switch (reason._tag) {
    case "RouteNotFound":
      return failure(new ExecError.Unsupported({ feature: "this method and path" }))
    case "RequestParseError":
      return reason.reason === "BodyTooLarge"
        ? failure(new ExecError.LimitReached({ limit: `${limits.body} bytes of a request's body` }), 413)
        : failure(new ExecError.InvalidCommand({ field: "body", problem: "it is no JSON" }))
    default:
      return failed
  }
}

const failed = failure(unavailable("The server's log says why.", "the server failed"), 500)

const answer = (cause: Cause.Cause<unknown>, limits: Limits): Effect.Effect<Response.HttpServerResponse> => {
  const error = Cause.squash(cause)
  if (Response.isHttpServerResponse(error)) return Effect.succeed(error)
  if (ExecError.isExecError(error)) return Effect.succeed(failure(error.reason))
  if (isHttpServerError(error) || Schema.isSchemaError(error)) return Effect.succeed(unreadable(error, limits))
  if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
  return Effect.as(Effect.logError("A request failed", cause), failed)
}

/** Everything that a server answers over HTTP. */
export const make = Effect.fnUntraced(function* ({
  capsules,
  identify,
  limits,
  metrics,
  origins,
  report
}: Parts): Effect.fn.Return<HttpApp, never, Scope.Scope> {
  const routed = (yield* HttpRouter.toHttpEffect(routes(capsules, metrics, limits))).pipe(
    Effect.provideService(MaxBodySize, ByteSize.bytes(limits.body)),
    Effect.catchCause((cause) => answer(cause, limits))
  )
  const routedWrenn = (yield* HttpRouter.toHttpEffect(HttpRouter.addAll(wrenn.routes(capsules, limits)))).pipe(
    Effect.provideService(MaxBodySize, ByteSize.bytes(limits.message)),
    Effect.catchCause(wrennFailure.answer)
  )
  const authorized = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, method, remoteAddress, url }) => {
    // Whoever keeps it running may ask this, and learns nothing else.
    if (method === "GET" && url === "/healthz") return Effect.succeed(Response.jsonUnsafe({ status: "ok" }))
    const client = identify(shownBy(headers))
    const isWrenn = wrenn.isWrenn(url)
    if (client !== undefined) return Effect.annotateLogs(isWrenn ? routedWrenn : routed, { client })
    report({
      reason: "unauthorized",
      problem: "the token is missing or wrong",
      address: Option.getOrUndefined(remoteAddress)
    })
    return Effect.succeed(isWrenn ? wrennFailure.unauthorized : unauthorized)
  })
  const cors = HttpMiddleware.cors({
    allowedOrigins: (origin) => origins.allows(origin),
    allowedHeaders: ["authorization", "x-api-key", "content-type", "traceparent", "b3"]
  })
  const crossOrigin = cors(authorized)
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers, remoteAddress }) => {
    const problem = origins.problem(headers)
    if (problem !== undefined) {
      report({ reason: "forbidden", problem, address: Option.getOrUndefined(remoteAddress) })
      return Effect.succeed(forbidden(problem))
    }
    return headers["origin"] === undefined ? authorized : crossOrigin
  })
})
