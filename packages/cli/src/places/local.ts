/** `--on local`: this machine. */
import * as Effect from "effect/Effect"
import * as Exec from "effect-exec/Exec"
import * as LocalExec from "@effect-exec/local/LocalExec"
import type { PlaceModule } from "../place.ts"

export const layer: PlaceModule["layer"] = () => Effect.succeed(LocalExec.layer)

export const check: NonNullable<PlaceModule["check"]> = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  const { tree } = yield* exec.capabilities
  const machine = `${process.platform} ${process.arch}`
  return tree === "exact"
    ? { summary: `commands on this machine (${machine}), by the agent`, remarks: [] }
    : {
        summary: `commands on this machine (${machine}), without the agent`,
        remarks: [
          "There is no terminal (--tty), and a daemon that escapes its process group is not found. The agent is there for linux on x64 and arm64, where its program may be executed."
        ]
      }
}).pipe(Effect.provide(LocalExec.layer))
