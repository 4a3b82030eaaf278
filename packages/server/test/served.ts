/** Capsules of the tests: a server of their own for each, over a socket or in memory. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Exec from "effect-exec/Exec"
import { NodeWS } from "@effect/platform-node"
import { CapsuleExec } from "@effect-exec/capsule"
import type { Connect, Connection, Receiver } from "@effect-exec/capsule/Connection"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import { defaults } from "../src/internal/limits.ts"
import * as Sessions from "../src/internal/sessions.ts"

/** A capsule in front of a backend, over a WebSocket on loopback. */
export const overSocket = (backend: Layer.Layer<Exec.Exec>): Layer.Layer<Exec.Exec> =>
  Layer.unwrap(
    Effect.map(CapsuleServer.make(), ({ url }) =>
      Layer.provide(CapsuleExec.layer({ url }), NodeWS.layerWebSocketConstructor)
    )
  ).pipe(Layer.provide(backend), Layer.orDie)

/** The same without a socket: frames go from one end to the other in order, and never at once. */
export const inMemory = (backend: Layer.Layer<Exec.Exec>): Layer.Layer<Exec.Exec> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const sessions = yield* Sessions.make({ exec, limits: defaults, token: undefined })
      return CapsuleExec.layerConnection({ connect: pipeTo(sessions) })
    })
  ).pipe(Layer.provide(backend))

/** Connects to a table of sessions in this program. */
export const pipeTo =
  (sessions: Sessions.Sessions): Connect =>
  (client) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const ends: { server?: Receiver } = {}
        let isOver = false
        const close = (code: number, reason: string) => {
          if (isOver) return
          isOver = true
          queueMicrotask(() => {
            client.closed(code, reason)
            ends.server?.closed(code, reason)
          })
        }
        const to = (receiver: () => Receiver | undefined): Connection => ({
          send: (frame) => {
            if (isOver) return
            const copy = typeof frame === "string" ? frame : frame.slice()
            queueMicrotask(() => receiver()?.frame(copy))
          },
          close
        })
        ends.server = sessions.accept(to(() => client))
        return to(() => ends.server)
      }),
      (connection) => Effect.sync(() => connection.close(4408, ""))
    )
