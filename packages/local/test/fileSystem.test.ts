/** `effect/FileSystem` on this machine: platform-node's own and ours, against the same tests. */
import { NodeFileSystem } from "@effect/platform-node"
import * as Layer from "effect/Layer"
import * as ExecFileSystem from "effect-exec/ExecFileSystem"
import { FileSystemSuite } from "@effect-exec/testing"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as LocalExec from "../src/LocalExec.ts"

FileSystemSuite.suite("platform-node", NodeFileSystem.layer, { isPlatform: true })

FileSystemSuite.suite(
  "LocalExec (portable)",
  Layer.provide(ExecFileSystem.layer, LocalExec.layerWith({ agent: "never" }))
)

if (AgentBackend.program() !== undefined) {
  FileSystemSuite.suite("LocalExec (agent)", Layer.provide(ExecFileSystem.layer, LocalExec.layer))
}
