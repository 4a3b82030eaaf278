/**
 * What requests have in common: a capsule, and a body.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Response from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import * as ExecError from "effect-exec/ExecError"
import type { Limits } from "../../Limits.ts"
import { inTime } from "../bodies.ts"
import type { Capsule } from "../capsule.ts"
import type { Capsules } from "../capsules.ts"
import { invalid, notFound, tooSlow, type WrennFailure } from "./failure.ts"

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

/** The id of a request's capsule. */
export const capsuleId: Effect.Effect<string, WrennFailure, HttpRouter.RouteContext> = Effect.flatMap(
  HttpRouter.params,
  ({ id = "" }) => (idPattern.test(id) ? Effect.succeed(id) : Effect.fail(invalid("invalid sandbox ID")))
)

/** A capsule that exists. */
export const find = (capsules: Capsules) =>
  Effect.flatMap(capsuleId, (id) => {
    const capsule = capsules.find(id)
    return capsule === undefined ? Effect.fail(notFound("sandbox not found")) : Effect.succeed(capsule)
  })

/** A capsule in which something can be done. */
export const usable = (capsules: Capsules, id: string): Effect.Effect<Capsule, ExecError.ExecError> =>
  Effect.suspend(() => {
    const capsule = capsules.find(id)
    if (capsule === undefined) return Effect.fail(ExecError.make(new ExecError.SandboxNotFound({ sandbox: id })))
    return capsule.pausable.isPaused
      ? Effect.fail(ExecError.make(new ExecError.SandboxNotRunning({ sandbox: id, state: "paused" })))
      : Effect.succeed(capsule)
  })

/** Does something in the capsule of the request, which is in use as long. */
export const inCapsule = <E, R>(
  capsules: Capsules,
  act: (capsule: Capsule) => Effect.Effect<Response.HttpServerResponse, E, R>
): Effect.Effect<Response.HttpServerResponse, E | ExecError.ExecError | WrennFailure, R | HttpRouter.RouteContext> =>
  capsuleId.pipe(
    Effect.flatMap((id) => usable(capsules, id)),
    Effect.flatMap((capsule) => capsule.use(act(capsule)))
  )

/** The JSON body of the request. Without one it is `{}`. */
export const body = <A, I>(schema: Schema.Codec<A, I>, { greeting }: Limits) => {
  const decode = Schema.decodeUnknownEffect(schema)
  const text = Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => request.text)
  return inTime(text, greeting, tooSlow(`the body did not come within ${greeting} ms`)).pipe(
    Effect.flatMap((text) =>
      Effect.try({
        try: () => JSON.parse(text === "" ? "{}" : text) as unknown,
        catch: () => invalid("invalid JSON body")
      })
    ),
    Effect.flatMap(decode)
  )
}

/** An answer that says no more than that it is done. */
export const done = Response.empty({ status: 204 })

export const json = (body: unknown, status = 200) => Response.jsonUnsafe(body, { status })
