import { ExecConformance, MemoryFixtures, TestExec } from "@effect-exec/testing"

const sandbox = MemoryFixtures.sandbox()

ExecConformance.suite("TestExec", TestExec.layerSandbox(sandbox), {
  capabilities: TestExec.capabilities,
  fixtures: MemoryFixtures.fixtures,
  sibling: TestExec.layerSandbox(sandbox)
})
