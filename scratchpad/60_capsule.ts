/** A capsule by the API of Wrenn's: a script is written into it and streamed, a server runs in the background. */
import { NodeRuntime, NodeWS } from "@effect/platform-node"
import { Console, Effect, Layer, Redacted, References, Stream } from "effect"
import { Command, Exec, ExitStatus } from "effect-exec"
import { WrennCapsule, WrennClient } from "@effect-exec/capsule"
import { DockerExec } from "@effect-exec/docker"
import { LocalExec } from "@effect-exec/local"
import { CapsuleServer } from "@effect-exec/server"

const task = `for i in 0 1 2 3 4; do
  echo "step $i"
  sleep 0.1
done
`

const program = Effect.gen(function* () {
  const { exec, files } = yield* WrennCapsule.make({ template: "minimal" })

  // Write a script to run.
  yield* files.write("app/task.sh", task)

  // Stream it.
  yield* exec.stream(Command.make("/bin/sh", ["app/task.sh"])).pipe(
    Stream.runForEach((event) => {
      if (event._tag === "Stdout") return Console.log(new TextDecoder().decode(event.bytes).trimEnd())
      return event._tag === "Exited" ? Console.log(`done (${ExitStatus.format(event.status)})`) : Effect.void
    })
  )

  // Launch a background server.
  const server = yield* exec.detach(Command.shell("echo serving $(ls); exec sleep 1000", { cwd: "app" }), {
    tag: "http-server"
  })
  const line = yield* Exec.lines(exec.connect("http-server")).pipe(Stream.runHead, Effect.flatMap(Effect.fromOption))
  yield* Console.log(line)

  // Confirm that it is running, and kill it.
  const isListed = Effect.map(exec.list(), (processes) => processes.some(({ tag }) => tag === "http-server"))
  yield* Console.log("listed:", yield* isListed)
  yield* exec.kill(server.pid, { signal: "SIGKILL" })
  yield* server.wait()
  yield* Console.log("listed:", yield* isListed)
}).pipe(Effect.scoped)

// The service is one of our own, which makes capsules of containers, or of this machine. (`node 60_capsule.ts IMAGE`)
const image = process.argv[2]
const key = Redacted.make("wrn_secret")

const service = Effect.gen(function* () {
  const minimal = image === undefined ? LocalExec.layerTemporary() : DockerExec.layerContainer({ image })
  const { url } = yield* CapsuleServer.make({ auth: key, templates: { minimal } })
  return Layer.provide(WrennClient.layer({ baseUrl: url, apiKey: key }), NodeWS.layerWebSocketConstructor)
})

NodeRuntime.runMain(
  Effect.provide(program, Layer.unwrap(service)).pipe(Effect.provideService(References.MinimumLogLevel, "Warn"))
)

/* prints
step 0
step 1
step 2
step 3
step 4
done (exit 0)
serving task.sh
listed: true
listed: false
*/
