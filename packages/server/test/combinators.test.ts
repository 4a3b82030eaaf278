/** What one puts around an `Exec`, around capsules: over real sockets, and with servers that are not there. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { NodeWS } from "@effect/platform-node"
import { assert, it } from "@effect/vitest"
import { CapsuleExec } from "@effect-exec/capsule"
import { LocalExec } from "@effect-exec/local"
import { CombinatorSuite } from "@effect-exec/testing"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as ExecLayer from "effect-exec/ExecLayer"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import { overSocket } from "./served.ts"

const at = (url: string) => Layer.provide(CapsuleExec.layer({ url }), NodeWS.layerWebSocketConstructor)

/** Where a server was a moment ago. */
const gone = Effect.scoped(CapsuleServer.make()).pipe(
  Effect.map(({ port, url }) => ({ port, layer: at(url) })),
  Effect.provide(LocalExec.layer),
  Effect.orDie
)

const unreachable = Layer.unwrap(Effect.map(gone, ({ layer }) => layer))

/** A server that is not there, until somebody starts it. */
const coming = Effect.map(gone, ({ layer, port }) => ({
  layer,
  come: Effect.gen(function* () {
    const local = yield* Layer.build(LocalExec.layer)
    yield* Effect.provide(CapsuleServer.make({ port }), local)
  })
}))

CombinatorSuite.suite("CapsuleExec", overSocket(LocalExec.layerTemporary()), { coming, unreachable })

it.live("fallback: from a server that is not there to this machine", () =>
  Exec.run(Command.make("echo", ["here"])).pipe(
    Effect.provide(ExecLayer.fallback(unreachable, LocalExec.layer)),
    Effect.map(({ stdout }) => assert.strictEqual(stdout, "here\n"))
  )
)
