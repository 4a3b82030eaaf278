import { ExecConformance, MemoryFixtures, TestExec } from "@effect-exec/testing"
import { severable, unreachable } from "./severable.ts"

const sandbox = MemoryFixtures.sandbox()

ExecConformance.suite("TestExec", TestExec.layerSandbox(sandbox), {
  capabilities: TestExec.capabilities,
  fixtures: MemoryFixtures.fixtures,
  sibling: TestExec.layerSandbox(sandbox),
  unreachable,
  severable: severable(sandbox)
})

// A poorer backend: what it declares absent has to be refused.
ExecConformance.suite(
  "TestExec without stdin, users and terminals",
  TestExec.layer({
    ...MemoryFixtures.machine,
    capabilities: { stdin: "none", user: "none", tty: "none" }
  }),
  {
    capabilities: { ...TestExec.capabilities, stdin: "none", user: "none", tty: "none" },
    fixtures: MemoryFixtures.fixtures
  }
)
