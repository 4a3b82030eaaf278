/** `--on docker:IMAGE`: a container of its own, gone with the command. */
import * as Effect from "effect/Effect"
import * as DockerClient from "@effect-exec/docker/DockerClient"
import * as DockerExec from "@effect-exec/docker/DockerExec"
import type { PlaceModule } from "../place.ts"
import { Progress } from "../progress.ts"
import * as Quantity from "../quantity.ts"

// An engine says for each layer of an image how much of it is there; people want the sum.
class Pull {
  private readonly layers = new Map<string, { readonly current: number; readonly total: number }>()

  add({ current, id, total }: DockerClient.PullProgress): void {
    if (id !== undefined && current !== undefined && total !== undefined) this.layers.set(id, { current, total })
  }

  format(image: string): string {
    const sizes = [...this.layers.values()]
    const sum = (of: "current" | "total") => sizes.reduce((sum, size) => sum + size[of], 0)
    return sizes.length === 0
      ? `pulling ${image}`
      : `pulling ${image}: ${Quantity.formatBytes(sum("current"))} of ${Quantity.formatBytes(sum("total"))}`
  }
}

export const layer: PlaceModule["layer"] = (image) =>
  Effect.map(Progress, (progress) => {
    const pull = new Pull()
    return DockerExec.layerContainer({
      image,
      onPull: (line) => {
        pull.add(line)
        return progress.say(pull.format(image))
      }
    })
  })

/** The oldest engine that this was tested with. */
const oldest = 20

export const check: NonNullable<PlaceModule["check"]> = Effect.gen(function* () {
  const client = yield* DockerClient.DockerClient
  const { apiVersion, architecture, version } = yield* client.version
  return {
    summary: `containers by the engine ${version} (API ${apiVersion}, ${architecture}) at ${client.host}`,
    remarks: [
      ...(Number.parseInt(version) < oldest
        ? [`This engine is older than ${oldest}.10, and untested: update it.`]
        : []),
      ...(["amd64", "arm64", "x86_64", "aarch64"].includes(architecture)
        ? []
        : [`There is no agent for ${architecture}: use images for amd64 or arm64, or an engine of such a machine.`])
    ]
  }
})
