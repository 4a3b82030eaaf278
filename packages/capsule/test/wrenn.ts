/** Clients of a Wrenn service, and what is seen of them. */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Cause from "effect/Cause"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { NodeWS } from "@effect/platform-node"
import { assert } from "@effect/vitest"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import * as WrennClient from "../src/WrennClient.ts"
import * as WrennExec from "../src/WrennExec.ts"
import { type Generation, key, type Service } from "./wrennService.ts"

// Both that Node has: `ws`, and its own.
const webSockets = (generation: Generation) =>
  generation === "0.1" ? NodeWS.layerWebSocketConstructor : (Layer.empty as typeof NodeWS.layerWebSocketConstructor)

type At = Pick<Service, "url" | "generation" | "capsule">

export const optionsOf = ({ url }: Pick<Service, "url">, apiKey = key) => ({
  baseUrl: url,
  apiKey: Redacted.make(apiKey)
})

/** Runs commands in the capsule of a service, or in another one. */
export const connect = (
  service: At,
  capsuleId = service.capsule
): Effect.Effect<Exec.Exec["Service"], never, Scope.Scope> =>
  Effect.map(WrennExec.host({ ...optionsOf(service), capsuleId }), Exec.fromHost).pipe(
    Effect.provide(webSockets(service.generation))
  )

export const clientOf = (service: At, apiKey?: string): Layer.Layer<WrennClient.WrennClient> =>
  Layer.provide(WrennClient.layer(optionsOf(service, apiKey)), webSockets(service.generation))

/** The reason of a failure. */
export const reasonOf = <R>(effect: Effect.Effect<unknown, unknown, R>): Effect.Effect<ExecError.Reason, never, R> =>
  Effect.map(Effect.exit(effect), (exit) => {
    const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
    if (!ExecError.isExecError(error)) return assert.fail(`no such error: ${String(error)}`)
    return error.reason
  })

/** Fails with this reason, and gives it. */
export const failsWith = <Tag extends ExecError.Reason["_tag"], R>(
  effect: Effect.Effect<unknown, unknown, R>,
  tag: Tag
) =>
  Effect.map(reasonOf(effect), (reason) => {
    assert.strictEqual(reason._tag, tag, reason.message)
    return reason as Extract<ExecError.Reason, { readonly _tag: Tag }>
  })

/** Asks again and again; the test's own limit is the longest. */
export const until = <E, R>(fact: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(fact, (is) => (is ? Effect.void : Effect.andThen(Effect.sleep(10), until(fact))))

/** Waits until nothing runs with this pid; whoever has to reap it may take his time. */
export const gone = (pid: number): Effect.Effect<void> =>
  until(
    Effect.sync(() => {
      try {
        return /^\d+ \(.*\) [ZX]/s.test(Fs.readFileSync(`/proc/${pid}/stat`, "latin1"))
      } catch {
        return true
      }
    })
  )
