/** Images that are not there yet. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Container from "../src/Container.ts"
import * as DockerClient from "../src/DockerClient.ts"
import { available } from "./engine.ts"
import { serve } from "./registry.ts"

describe.runIf(available)("an image", () => {
  it.live("is pulled when it is missing, with progress, or always, or never", () =>
    Effect.gen(function* () {
      const { architecture } = yield* (yield* DockerClient.DockerClient).version
      const { file, image, layerSize, missing, path } = yield* serve(architecture)
      const reasonOf = (options: Container.Options) =>
        Effect.map(Effect.flip(Effect.scoped(Container.make(options))), ({ reason }) => reason)
      assert.strictEqual((yield* reasonOf({ image, pull: "never" }))._tag, "SandboxNotFound")

      const progress: Array<DockerClient.PullProgress> = []
      const onPull = (step: DockerClient.PullProgress) => Effect.sync(() => void progress.push(step))
      const container = yield* Container.make({ image, onPull })
      const chunks = yield* Stream.runCollect(container.readFile(path))
      assert.isTrue(Buffer.concat(chunks).equals(Buffer.from(file)))
      assert.match(progress[0]!.status, /^Pulling from/)
      const downloads = progress.filter(({ status }) => status === "Downloading")
      assert.isAtLeast(downloads.length, 1)
      for (const { current = 0, id, total } of downloads) {
        assert.isDefined(id)
        assert.strictEqual(total, layerSize)
        assert.isAtMost(current, layerSize)
      }
      assert.match(progress.at(-1)!.status, /^Status: Downloaded newer image/)

      // What is there is not asked for, unless always.
      const pulled = progress.splice(0).length
      assert.isAbove(pulled, 3)
      yield* Effect.scoped(Container.make({ image, onPull }))
      assert.strictEqual(progress.length, 0)
      yield* Effect.scoped(Container.make({ image, pull: "always", onPull }))
      assert.match(progress.at(-1)!.status, /^Status: Image is up to date/)

      const reason = yield* reasonOf({ image: missing })
      assert.strictEqual(reason._tag, "SandboxNotFound")
      assert.match(reason.message, /manifest unknown|not found/)
    })
  )
})
