/** Capsules of the tests: a server of their own for each, over a socket or in memory. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Exec from "effect-exec/Exec"
import { NodeWS } from "@effect/platform-node"
import { CapsuleExec } from "@effect-exec/capsule"
import type { Connect, Connection, Receiver } from "@effect-exec/capsule/Connection"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import * as Capsules from "../src/internal/capsules.ts"
import * as Entrance from "../src/internal/entrance.ts"
import { defaults } from "../src/Limits.ts"

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
      const capsules = yield* Capsules.make({
        main: yield* Exec.Exec,
        templates: {},
        idleTimeout: Duration.infinity,
        shared: { instance: "memory", limits: defaults, sessions: 0 }
      })
      const enter = Entrance.make(
        () => "anyone",
        defaults,
        (id) => capsules.find(id)?.sessions
      )
      return CapsuleExec.layerConnection({ connect: pipeTo(enter) })
    })
  ).pipe(Layer.provide(backend))

/** Connects to a server in this program. */
export const pipeTo =
  (enter: Entrance.Entrance): Connect =>
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
        const connection = to(() => client)
        ends.server = enter({ connection, refuse: connection.close })
        return to(() => ends.server)
      }),
      (connection) => Effect.sync(() => connection.close(4408, ""))
    )
