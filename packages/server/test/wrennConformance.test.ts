/** Wrenn's API as a backend: what it can do, it does as all others. */
import { ExecConformance, ShFixtures } from "@effect-exec/testing"
import { LocalExec } from "@effect-exec/local"
import { NodeWS } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { WrennExec } from "@effect-exec/capsule"
import * as CapsuleServer from "../src/CapsuleServer.ts"

const served = Layer.unwrap(
  Effect.map(CapsuleServer.make(), ({ url }) =>
    Layer.provide(WrennExec.layer({ baseUrl: url, capsuleId: "main" }), NodeWS.layerWebSocketConstructor)
  )
).pipe(Layer.provide(LocalExec.layer), Layer.orDie)

const skipped = new Map([
  // Its word for the end of a process is also the one for the end of its output.
  ["C15 lingering drain lets children live, with their output open, until the scope closes", "the exit comes last"],
  ["C35 wait gives the result with the real duration, as often as one asks", "the exit comes last, and times the tree"],
  ["C42 scope process reaches the process alone", "the exit comes last, and it awaits the tree"],
  // Nothing does here: the server ends trees exactly, which the API does not promise.
  ["C15 what escaped and holds the output ends the drain, and the end says incomplete", "nothing escapes the server"]
])

ExecConformance.suite("WrennExec, Server(LocalExec)", served, {
  capabilities: {
    tree: "group+descent",
    exit: "code",
    stdin: "none",
    tty: "none",
    user: "none",
    detach: "remote",
    pidReuse: "none"
  },
  fixtures: ShFixtures.make(),
  unreachable: Layer.fresh(WrennExec.layer({ baseUrl: "http://127.0.0.1:9", capsuleId: "main" })),
  skip: (title) => skipped.has(title)
})
