/** One program, two places: only the layer says where. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Command, Exec } from "effect-exec"
import { LocalExec } from "@effect-exec/local"
import { TestExec } from "@effect-exec/testing"

// Knows nothing of where it runs.
const greet = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  const result = yield* Exec.orFail(exec.run(Command.make("echo", ["hello from here"])))
  yield* Console.log(result.stdout.trimEnd())
})

// In a test: programs in memory, with the same timeouts, caps, rings and kills on top.
const inMemory = TestExec.layer({
  programs: { echo: (io) => io.stdout("hello from memory\n") }
})

NodeRuntime.runMain(
  Effect.all([Effect.provide(greet, LocalExec.layer), Effect.provide(greet, inMemory)], { discard: true })
)

/* prints
hello from here
hello from memory
*/
