/** The first of three programs: serves capsules to whoever has the token. `node capsule_serve.ts [PORT]` */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted } from "effect"
import { LocalExec } from "@effect-exec/local"
import { CapsuleServer } from "@effect-exec/server"

const server = CapsuleServer.layer({
  port: Number(process.argv[2] ?? 7777),
  auth: Redacted.make(process.env["CAPSULE_TOKEN"] ?? "open sesame"),
  // Each capsule is a directory of its own on this machine; DockerExec.layerContainer({ image }) makes it a container.
  templates: { local: LocalExec.layerTemporary() }
})

const program = Effect.gen(function* () {
  const { url } = yield* CapsuleServer.CapsuleServer
  yield* Console.log(`serving at ${url}`)
  return yield* Effect.never
})

NodeRuntime.runMain(Effect.provide(program, server))
