/** What one puts around an `Exec`, around containers. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { describe } from "@effect/vitest"
import { CombinatorSuite } from "@effect-exec/testing"
import * as DockerClient from "../src/DockerClient.ts"
import * as DockerExec from "../src/DockerExec.ts"
import { available, docker, foreign, images } from "./engine.ts"

const container = DockerExec.layerContainer({ image: images.busybox })

const unreachable = container.pipe(Layer.provide(DockerClient.layer({ host: "unix:///effect-exec/no/engine.sock" })))

/** A container that is stopped, until somebody starts it. */
const coming = Effect.gen(function* () {
  const id = yield* foreign(images.busybox)
  yield* Effect.promise(() => docker("stop", "-t", "0", id))
  return { layer: DockerExec.layer({ container: id }), come: Effect.promise(() => docker("start", id)) }
})

describe.runIf(available)("in containers", () => {
  CombinatorSuite.suite(images.busybox, DockerExec.layerContainer({ image: images.busybox }), {
    coming,
    unreachable,
    layerTimeout: "1 minute"
  })
})
