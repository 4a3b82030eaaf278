/**
 * Capsules: made, found, paused, resumed and destroyed.
 */
import { randomBytes } from "node:crypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as WrennWire from "@effect-exec/capsule/WrennWire"
import * as ExecError from "effect-exec/ExecError"
import type { Limits } from "../../Limits.ts"
import type { Capsule } from "../capsule.ts"
import type { Capsules, Facts } from "../capsules.ts"
import { notFound } from "./failure.ts"
import { body, capsuleId, done, find, inCapsule, json } from "./requests.ts"

// Clients of this API give up after 5 s. What takes longer is told to be starting, and asked for again.
const patience = Duration.seconds(4)

const defaultTemplate = "minimal"

const statuses = { starting: "starting", running: "running", failed: "error" } as const

const iso = (millis: number): string => new Date(millis).toISOString()

const describe = (facts: Facts, status: string): WrennWire.Capsule => ({
  id: facts.id,
  status,
  template: facts.template,
  timeout_sec: Duration.isFinite(facts.idleTimeout) ? Math.ceil(Duration.toSeconds(facts.idleTimeout)) : 0,
  created_at: iso(facts.createdAt),
  started_at: iso(facts.createdAt),
  last_active_at: iso(facts.lastUsedAt),
  last_updated: iso(facts.lastUsedAt)
})

const info = (capsule: Capsule): WrennWire.Capsule =>
  describe(capsule, capsule.pausable.isPaused ? "paused" : statuses[capsule.status])

// As the API has them: `cl-` and 25 digits of base 36.
const newId = (): string =>
  `cl-${BigInt(`0x${randomBytes(16).toString("hex")}`)
    .toString(36)
    .padStart(25, "0")}`

const create = Effect.fnUntraced(function* (capsules: Capsules, limits: Limits) {
  const { template, timeout_sec } = yield* body(WrennWire.Create, limits)
  const capsule = yield* capsules.create({
    id: newId(),
    template: template ?? defaultTemplate,
    ...(typeof timeout_sec !== "number"
      ? {}
      : { idleTimeout: timeout_sec > 0 ? Duration.seconds(timeout_sec) : Duration.infinity })
  })
  yield* capsule.exec.capabilities.pipe(
    Effect.tap(() => Effect.sync(() => (capsule.status = "running"))),
    Effect.tapError(() => Effect.ignore(capsules.destroy(capsule.id))),
    Effect.timeoutOption(patience)
  )
  return json(info(capsule), 201)
})

/** The routes. */
export const routes = (capsules: Capsules, limits: Limits) => [
  HttpRouter.route("POST", "/v1/capsules", create(capsules, limits)),
  HttpRouter.route(
    "GET",
    "/v1/capsules",
    Effect.sync(() => json(capsules.all().map(info)))
  ),
  HttpRouter.route(
    "GET",
    "/v1/capsules/:id",
    Effect.flatMap(capsuleId, (id) => {
      const capsule = capsules.find(id)
      if (capsule !== undefined) return Effect.succeed(json(info(capsule)))
      const ended = capsules.ended(id)
      return ended === undefined
        ? Effect.fail(notFound("sandbox not found"))
        : Effect.succeed(json(describe(ended, "stopped")))
    })
  ),
  HttpRouter.route(
    "DELETE",
    "/v1/capsules/:id",
    Effect.flatMap(capsuleId, (id) =>
      capsules.ended(id) === undefined ? Effect.as(capsules.destroy(id), done) : Effect.succeed(done)
    )
  ),
  HttpRouter.route(
    "POST",
    "/v1/capsules/:id/pause",
    inCapsule(capsules, (capsule) => Effect.map(capsule.pausable.pause, () => json(info(capsule))))
  ),
  HttpRouter.route(
    "POST",
    "/v1/capsules/:id/resume",
    Effect.flatMap(find(capsules), (capsule) =>
      capsule.pausable.isPaused
        ? Effect.map(capsule.pausable.resume, () => json(info(capsule)))
        : Effect.fail(
            ExecError.make(new ExecError.SandboxNotRunning({ sandbox: capsule.id, state: statuses[capsule.status] }))
          )
    )
  ),
  HttpRouter.route(
    "POST",
    "/v1/capsules/:id/ping",
    inCapsule(capsules, (capsule) =>
      Effect.sync(() => {
        capsule.touch()
        return done
      })
    )
  )
]
