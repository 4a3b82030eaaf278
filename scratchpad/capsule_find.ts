/** The last of three programs: finds what another has left running, by its tag, and ends it. `node capsule_find.ts [URL]` */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Redacted, Stream } from "effect"
import { Capsule, CapsuleClient } from "@effect-exec/capsule"
import { Exec } from "effect-exec"

const server = CapsuleClient.layer({
  url: process.argv[2] ?? "http://127.0.0.1:7777",
  token: Redacted.make(process.env["CAPSULE_TOKEN"] ?? "open sesame")
})

const program = Effect.gen(function* () {
  for (const { id, status, template } of yield* Capsule.list) {
    yield* Console.log("found: a capsule of", template, "that is", status)
    const capsule = yield* Capsule.connect(id)

    // All that it has written so far, and then what comes: it was not there to be seen, and nothing of it is lost.
    yield* Exec.lines(capsule.exec.connect("ticker")).pipe(
      Stream.take(3),
      Stream.runForEach((line) => Console.log("found:", line))
    )
    yield* capsule.exec.kill("ticker", { grace: "1 second" })
    yield* Console.log("left:", (yield* capsule.exec.list()).length, "processes")
    yield* Capsule.destroy(id)
  }
  yield* Console.log("left:", (yield* Capsule.list).length, "capsules")
})

NodeRuntime.runMain(Effect.scoped(program).pipe(Effect.provide(server)))
