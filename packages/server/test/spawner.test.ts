/** `effect/process` on a capsule, against the tests that platform-node's own spawner passes. */
import * as Layer from "effect/Layer"
import * as ExecSpawner from "effect-exec/ExecSpawner"
import { LocalExec } from "@effect-exec/local"
import { SpawnerSuite } from "@effect-exec/testing"
import { overSocket } from "./served.ts"

SpawnerSuite.suite("CapsuleExec", Layer.provide(ExecSpawner.layer, overSocket(LocalExec.layer)))
