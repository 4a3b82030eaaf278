/** The second of three programs: makes a capsule, leaves something running in it, and dies. `node capsule_start.ts [URL]` */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted, Stream } from "effect"
import { Capsule, CapsuleClient } from "@effect-exec/capsule"
import { Command, Exec } from "effect-exec"

const server = CapsuleClient.layer({
  url: process.argv[2] ?? "http://127.0.0.1:7777",
  token: Redacted.make(process.env["CAPSULE_TOKEN"] ?? "open sesame")
})

const ticker = Command.shell("for i in 1 2 3; do echo tick $i; done; while :; do sleep 1; done")

const program = Effect.gen(function* () {
  const capsule = yield* Capsule.make({ template: "local" })
  yield* capsule.writeFile("greeting", "hello from the capsule\n")
  const { stdout } = yield* capsule.exec.run(Command.make("cat", ["greeting"]))
  yield* Console.log("run:", stdout.trimEnd())

  yield* capsule.exec.detach(ticker, { tag: "ticker" })
  yield* Exec.lines(capsule.exec.connect("ticker")).pipe(
    Stream.take(2),
    Stream.runForEach((line) => Console.log("started:", line))
  )

  // No finalizer runs: nobody ends the capsule, or what runs in it.
  process.kill(process.pid, "SIGKILL")
})

NodeRuntime.runMain(Effect.scoped(program).pipe(Effect.provide(server)))
