/** The law of capsules: a backend behind a wire passes what it passes without one. */
import { ExecConformance, ShFixtures } from "@effect-exec/testing"
import { LocalExec } from "@effect-exec/local"
import * as FaultProxy from "@effect-exec/testing/FaultProxy"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Exec from "effect-exec/Exec"
import { CapsuleExec } from "@effect-exec/capsule"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import { inMemory, overSocket } from "./served.ts"

const capabilities = {
  tree: "exact",
  exit: "exact",
  stdin: "stream",
  tty: "real",
  user: "any",
  detach: "remote",
  pidReuse: "exact"
} as const

/** A capsule whose connection leads to another server from the cut on, which does not know the session. */
const severable = Effect.gen(function* () {
  // Fresh, or it would be the one of the suite, in which what is detached here would live on.
  const local = yield* Layer.build(Layer.fresh(LocalExec.layer))
  const serve = Effect.provide(CapsuleServer.make(), local)
  const proxy = yield* FaultProxy.make({ target: { port: (yield* serve).port } })
  const other = yield* serve
  const client = yield* Layer.build(CapsuleExec.layer({ url: `ws://${proxy.host}:${proxy.port}` }))
  const cut = Effect.andThen(proxy.retarget({ port: other.port }), proxy.cut("reset"))
  return { exec: Context.get(client, Exec.Exec), cut: Effect.asVoid(cut) }
})

const unreachable = CapsuleExec.layer({ url: "ws://127.0.0.1:9" })

for (const [name, served] of [
  ["in memory", inMemory],
  ["on loopback", overSocket]
] as const) {
  ExecConformance.suite(`CapsuleExec, Server(LocalExec) ${name}`, served(LocalExec.layer), {
    capabilities,
    fixtures: ShFixtures.make(),
    unreachable,
    severable
  })
}
