/**
 * A capsule server in a process of its own, which says what it holds: `node src/serverHost.ts nothing|capsules [IMAGE]`, started
 * by `served.ts`.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { Exec } from "effect-exec"
import { CapsuleServer } from "@effect-exec/server"
import { DockerExec } from "@effect-exec/docker"
import { LocalExec } from "@effect-exec/local"
import { Fibers } from "./fibers.ts"
import * as Held from "./held.ts"
import * as Nothing from "./nothing.ts"

/** What is said to it. */
export type Question = "look" | "stop"

/** What it says: where it serves, then what it holds whenever it is asked. */
export type Answer =
  | { readonly url: string }
  | { readonly held: Held.Held; readonly sessions: number }
  | { readonly stopped: Held.Held }

const [kind, image] = process.argv.slice(2)
const fibers = new Fibers()
const say = (answer: Answer): void => void process.send?.(answer)

const local = LocalExec.layerTemporary()
const templates = {
  local,
  ...(image === undefined ? {} : { docker: DockerExec.layerContainer({ image, pull: "never" }) })
}
const server =
  kind === "nothing"
    ? CapsuleServer.layer({ idleTimeout: "1 minute" }).pipe(
        Layer.provide(Layer.effect(Exec.Exec, Exec.make(Nothing.backend)))
      )
    : // On a machine that does much else a client may need seconds between the answer that makes a capsule and its session.
      CapsuleServer.layer({ templates, idleTimeout: "5 seconds", limits: { grace: 3_000 } })

const serving = Effect.gen(function* () {
  const { sessions, url } = yield* CapsuleServer.CapsuleServer
  yield* Effect.callback<void>((resume) => {
    process.on("message", (question: Question) => {
      if (question === "stop") return resume(Effect.void)
      void Held.look(() => fibers.alive).then((held) => say({ held, sessions: Effect.runSync(sessions) }))
    })
    say({ url })
  })
}).pipe(Effect.provide(server), Effect.provide(Logger.layer([])), fibers.counting)

await Effect.runPromise(serving)
process.removeAllListeners("message")
say({ stopped: await Held.look(() => fibers.alive) })
process.disconnect()
