/** `effect/FileSystem` in containers, against the tests that platform-node's own passes. */
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Exec from "effect-exec/Exec"
import * as ExecFileSystem from "effect-exec/ExecFileSystem"
import { FileSystemSuite } from "@effect-exec/testing"
import * as DockerExec from "../src/DockerExec.ts"
import { available, images } from "./engine.ts"

const byAgent = (image: string) =>
  FileSystemSuite.suite(image, Layer.provide(ExecFileSystem.layer, DockerExec.layerContainer({ image })), {
    layerTimeout: "1 minute"
  })

/** As where there is no agent. */
const byCommands = (image: string, wholeSeconds = false) => {
  const withoutFiles = Layer.effect(
    Exec.Exec,
    Effect.map(Exec.Exec, ({ files: _, ...exec }) => exec)
  )
  const layer = ExecFileSystem.layer.pipe(
    Layer.provide(withoutFiles),
    Layer.provide(DockerExec.layerContainer({ image }))
  )
  FileSystemSuite.suite(`${image}, by commands`, layer, { layerTimeout: "1 minute", wholeSeconds })
}

describe.runIf(available)("ExecFileSystem in a container", () => {
  byAgent(images.busybox)
  // Without a shell, or anything else, in any usual place.
  byAgent(images.static)
  byCommands(images.busybox, true)
  byCommands(images.debian)
})
