/** `effect/FileSystem` in containers, against the tests that platform-node's own passes. */
import { describe } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as ExecFileSystem from "effect-exec/ExecFileSystem"
import { FileSystemSuite } from "@effect-exec/testing"
import * as DockerExec from "../src/DockerExec.ts"
import { available, images } from "./engine.ts"

const own = (image: string) =>
  FileSystemSuite.suite(image, Layer.provide(ExecFileSystem.layer, DockerExec.layerContainer({ image })), {
    layerTimeout: "1 minute"
  })

describe.runIf(available)("ExecFileSystem in a container", () => {
  own(images.busybox)
  own(images.debian)
})
