/** What every backend has to do, on this machine: both variants. */
import { ExecConformance, ShFixtures } from "@effect-exec/testing"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as LocalExec from "../src/LocalExec.ts"

const user = process.getuid?.() === 0 ? "any" : "none"

ExecConformance.suite("LocalExec (portable)", LocalExec.layerWith({ agent: "never" }), {
  capabilities: {
    tree: "group+descent",
    exit: "exact",
    stdin: "stream",
    tty: "none",
    user,
    detach: "layer",
    pidReuse: "checked"
  },
  fixtures: ShFixtures.make(),
  sibling: LocalExec.layerWith({ agent: "never" })
})

if (AgentBackend.program() !== undefined) {
  ExecConformance.suite("LocalExec (agent)", LocalExec.layer, {
    capabilities: {
      tree: "exact",
      exit: "exact",
      stdin: "stream",
      tty: "real",
      user,
      detach: "layer",
      pidReuse: "exact"
    },
    fixtures: ShFixtures.make(),
    sibling: LocalExec.layer
  })
}
