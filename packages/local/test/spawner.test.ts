/** `effect/process` on this machine: platform-node's own spawner and ours, both variants, against the same tests. */
import { NodeServices } from "@effect/platform-node"
import * as Layer from "effect/Layer"
import * as ExecSpawner from "effect-exec/ExecSpawner"
import { SpawnerSuite } from "@effect-exec/testing"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as LocalExec from "../src/LocalExec.ts"

SpawnerSuite.suite("platform-node", NodeServices.layer, { isPlatform: true })

SpawnerSuite.suite("LocalExec (portable)", Layer.provide(ExecSpawner.layer, LocalExec.layerWith({ agent: "never" })))

if (AgentBackend.program() !== undefined) {
  SpawnerSuite.suite("LocalExec (agent)", Layer.provide(ExecSpawner.layer, LocalExec.layer))
}
