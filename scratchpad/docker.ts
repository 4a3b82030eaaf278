/** The same program in a container of its own, which is gone with it. Needs a Docker engine: node docker.ts IMAGE */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Command, Exec } from "effect-exec"
import { DockerExec } from "@effect-exec/docker"

const look = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  const result = yield* Exec.orFail(exec.run(Command.shell("id -u; pwd; ls /sys/class/net")))
  yield* Console.log(result.stdout.trimEnd())
})

const image = process.argv[2] ?? "busybox"

NodeRuntime.runMain(Effect.provide(look, DockerExec.layerContainer({ image })))
