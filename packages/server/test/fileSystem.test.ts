/** `effect/FileSystem` on a capsule, against the tests that platform-node's own passes. */
import * as Layer from "effect/Layer"
import * as ExecFileSystem from "effect-exec/ExecFileSystem"
import { LocalExec } from "@effect-exec/local"
import { FileSystemSuite } from "@effect-exec/testing"
import { overSocket } from "./served.ts"

FileSystemSuite.suite("CapsuleExec", Layer.provide(ExecFileSystem.layer, overSocket(LocalExec.layer)))
