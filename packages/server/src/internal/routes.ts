/**
 * The capsules over HTTP, as PROTOCOL.md has them.
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Response from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { CapsuleInfo, CreateCapsule } from "@effect-exec/capsule/CapsuleInfo"
import * as ExecError from "effect-exec/ExecError"
import type { Limits } from "../Limits.ts"
import { inTime } from "./bodies.ts"
import type { Capsule } from "./capsule.ts"
import type { Capsules } from "./capsules.ts"
import { failure } from "./failure.ts"

const infoJson = Response.schemaJson(Schema.toCodecJson(CapsuleInfo))
const infosJson = Response.schemaJson(Schema.toCodecJson(Schema.Array(CapsuleInfo)))
const createJson = HttpServerRequest.schemaBodyJson(Schema.toCodecJson(CreateCapsule))

const info = ({ createdAt, id, status, template }: Capsule): CapsuleInfo => ({
  id,
  template,
  status,
  createdAt: DateTime.makeUnsafe(createdAt)
})

const late = ({ greeting }: Limits) =>
  failure(new ExecError.LimitReached({ limit: `${greeting} ms for a request's body` }), 408)

const known = (capsules: Capsules): Effect.Effect<Capsule, ExecError.ExecError, HttpRouter.RouteContext> =>
  Effect.flatMap(HttpRouter.params, ({ id = "" }) => {
    const capsule = capsules.find(id)
    return capsule === undefined
      ? Effect.fail(ExecError.make(new ExecError.SandboxNotFound({ sandbox: id })))
      : Effect.succeed(capsule)
  })

/** Every route of this protocol's. */
export const routes = (capsules: Capsules, metrics: Effect.Effect<string>, limits: Limits) =>
  HttpRouter.addAll([
    HttpRouter.route(
      "GET",
      "/metrics",
      Effect.map(metrics, (text) => Response.text(text))
    ),
    HttpRouter.route(
      "POST",
      "/capsules",
      Effect.gen(function* () {
        const capsule = yield* capsules.create(yield* inTime(createJson, limits.greeting, late(limits)))
        return yield* infoJson(info(capsule), { status: 201 })
      })
    ),
    HttpRouter.route(
      "GET",
      "/capsules",
      Effect.suspend(() => infosJson(capsules.all().map(info)))
    ),
    HttpRouter.route(
      "GET",
      "/capsules/:id",
      Effect.flatMap(known(capsules), (capsule) => infoJson(info(capsule)))
    ),
    HttpRouter.route(
      "DELETE",
      "/capsules/:id",
      Effect.gen(function* () {
        const { id } = yield* known(capsules)
        yield* capsules.destroy(id)
        return Response.empty({ status: 204 })
      })
    )
  ])
