/** Interruption is true: whatever ends an effect ends the whole tree of its command first. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Fiber, Stream } from "effect"
import { Command, Exec } from "effect-exec"
import { LocalExec } from "@effect-exec/local"

// A shell with a child in the background and one in the foreground, which says when all are there.
const tree = Command.shell("sleep 1000 & echo $! ready; sleep 1000")

// A zombie (Z) is dead, and waits for somebody to read its exit status.
const isAlive = (pid: string) =>
  Effect.map(Exec.run(Command.make("ps", ["-o", "stat=", "-p", pid])), ({ stdout }) =>
    stdout === "" || stdout.startsWith("Z") ? "gone" : "alive"
  )

const program = Effect.gen(function* () {
  const exec = yield* Exec.Exec

  // A lost race, a timeout, a closed scope, Ctrl-C: all the same.
  const pid = yield* exec.stream(tree).pipe(
    Exec.lines(),
    Stream.runHead,
    Effect.flatMap(Effect.fromOption),
    Effect.map((line) => line.split(" ")[0]!)
  )
  yield* Console.log("after the end of the stream, the child is", yield* isAlive(pid))

  const fiber = yield* Effect.forkChild(exec.run(tree))
  yield* Fiber.interrupt(fiber)
  yield* Console.log("interrupted:", (yield* exec.list({ exited: true })).length, "processes are left")

  // A process that ignores TERM gets KILL after its grace.
  const stubborn = yield* exec.run(Command.shell("trap '' TERM; echo ignoring; sleep 1000"), {
    timeout: "100 millis",
    grace: "100 millis"
  })
  yield* Console.log(stubborn.stdout.trimEnd(), "ended by", stubborn.endedBy, "with exit code", stubborn.exitCode)
})

NodeRuntime.runMain(Effect.provide(program, LocalExec.layer))

/* prints
after the end of the stream, the child is gone
interrupted: 0 processes are left
ignoring ended by timeout with exit code 137
*/
