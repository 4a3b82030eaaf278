/** What one puts around an `Exec`, around those of this machine. */
import { CombinatorSuite } from "@effect-exec/testing"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as LocalExec from "../src/LocalExec.ts"

CombinatorSuite.suite("LocalExec (portable)", LocalExec.layerTemporary({ agent: "never" }))

if (AgentBackend.program() !== undefined) CombinatorSuite.suite("LocalExec (agent)", LocalExec.layerTemporary())
