/** Lets a command run on, and comes back to it: by its tag, from anywhere. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Command, Exec, ExitStatus, Process } from "effect-exec"
import { LocalExec } from "@effect-exec/local"

const counter = Command.shell("read go; for i in 1 2 3; do echo tick $i; done; read go; echo bye; exit 7")

const program = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  const started = yield* exec.detach(counter, { tag: "counter", stdin: "open" })
  yield* Process.observe(started, {
    onExit: (status) => Console.log("callback:", ExitStatus.format(status))
  })

  // Somebody else finds it by its tag, and has the same handle.
  const [found] = yield* exec.list()
  yield* Console.log("running:", found?.tag, "is", found?.command.argv[0])
  const process = yield* exec.get("counter")
  yield* process.write("go\n")

  // Its events: what the ring buffer holds, then live. Going away from them ends nothing.
  yield* Exec.lines(exec.connect("counter")).pipe(Stream.take(3), Stream.runForEach(Console.log))

  // Or look into the buffer: peek leaves what it shows, read takes it.
  yield* Console.log("peek:", JSON.stringify((yield* process.peek).stdout))
  yield* Console.log("read:", JSON.stringify((yield* process.read).stdout))
  yield* Console.log("left:", yield* process.bufferSize)

  yield* process.write("go\n")
  const result = yield* process.wait({ timeout: "10 seconds" })
  yield* Console.log("result:", result.exitCode, JSON.stringify(result.stdout))
  // Killing what has exited is fine; killing what never was is not.
  yield* exec.kill("counter")
  yield* Effect.catchReason(exec.kill("nobody"), "ExecError", "ProcessNotFound", (reason) =>
    Console.log(reason.message)
  )
})

NodeRuntime.runMain(Effect.scoped(program).pipe(Effect.provide(LocalExec.layer)))

/* prints
running: counter is /bin/sh
tick 1
tick 2
tick 3
peek: "tick 1\ntick 2\ntick 3\n"
read: "tick 1\ntick 2\ntick 3\n"
left: 0
callback: exit 7
result: 7 "bye\n"
No process with the id, tag or pid nobody is running or retained
*/
