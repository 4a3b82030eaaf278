/** `effect/process` in containers, against the tests that platform-node's own spawner passes. */
import { describe } from "@effect/vitest"
import * as Layer from "effect/Layer"
import * as ExecSpawner from "effect-exec/ExecSpawner"
import { SpawnerSuite } from "@effect-exec/testing"
import * as DockerExec from "../src/DockerExec.ts"
import { available, images } from "./engine.ts"

const own = (image: string) =>
  SpawnerSuite.suite(image, Layer.provide(ExecSpawner.layer, DockerExec.layerContainer({ image })), {
    layerTimeout: "1 minute"
  })

describe.runIf(available)("ExecSpawner in a container", () => {
  own(images.busybox)
  own(images.debian)
})
