/** `--on container:NAME`: a container that runs already, and runs on. */
import * as Effect from "effect/Effect"
import * as DockerExec from "@effect-exec/docker/DockerExec"
import type { PlaceModule } from "../place.ts"

export const layer: PlaceModule["layer"] = (container) => Effect.succeed(DockerExec.layer({ container }))
