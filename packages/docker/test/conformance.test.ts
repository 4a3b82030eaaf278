/** What every backend has to do, in containers: our own and others', with and without a shell. */
import { describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ExecConformance } from "@effect-exec/testing"
import * as Container from "../src/Container.ts"
import * as DockerClient from "../src/DockerClient.ts"
import * as DockerExec from "../src/DockerExec.ts"
import { available, foreign, images, shFixtures, staticFixtures } from "./engine.ts"

const capabilities = {
  tree: "exact",
  exit: "exact",
  stdin: "stream",
  tty: "real",
  user: "any",
  detach: "layer",
  pidReuse: "exact"
} as const

const unreachable = DockerExec.layerContainer({ image: images.busybox }).pipe(
  Layer.provide(DockerClient.layer({ host: "unix:///effect-exec/no/engine.sock" }))
)

/** A container whose removal is the cut. */
const severable = (image: string) =>
  Effect.gen(function* () {
    const container = yield* Container.make({ image })
    const client = yield* DockerClient.DockerClient
    const exec = yield* DockerExec.make(container)
    return { exec, cut: Effect.orDie(client.removeContainer(container.id)) }
  })

const own = (image: string, fixtures = shFixtures()) =>
  ExecConformance.suite(`a container of our own, ${image}`, DockerExec.layerContainer({ image }), {
    capabilities,
    fixtures,
    unreachable,
    severable: severable(image),
    layerTimeout: "1 minute"
  })

const theirs = (image: string, fixtures = shFixtures()) => {
  // One container for the layer and its sibling, so that they see the same processes.
  let id = ""
  const sibling = Layer.unwrap(Effect.sync(() => DockerExec.layer({ container: id })))
  const layer = Layer.unwrap(
    Effect.map(foreign(image), (made) => {
      id = made
      return DockerExec.layer({ container: made })
    })
  )
  ExecConformance.suite(`somebody's container, ${image}`, layer, {
    capabilities,
    fixtures,
    sibling,
    layerTimeout: "1 minute"
  })
}

if (!available) console.warn("\n!! NO DOCKER ENGINE ANSWERS: NOTHING OF @effect-exec/docker IS TESTED IN CONTAINERS\n")

describe.runIf(available)("DockerExec", () => {
  own(images.busybox)
  theirs(images.busybox)
  own(images.static, staticFixtures)
  theirs(images.static, staticFixtures)
  own(images.debian)
  theirs(images.debian)
})
