/**
 * Three programs that know nothing of each other but a server: `capsule_serve.ts`, `capsule_start.ts`, which dies, and
 * `capsule_find.ts`. By hand, in three terminals, they do the same.
 */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Option, Stream } from "effect"
import { Command, Exec, ExitStatus } from "effect-exec"
import { LocalExec } from "@effect-exec/local"

const node = (name: string, argument: string) =>
  Command.make(process.execPath, [`${import.meta.dirname}/${name}`, argument], { env: { CAPSULE_TOKEN: "s3cr3t" } })

const program = Effect.gen(function* () {
  const exec = yield* Exec.Exec

  const server = yield* exec.spawn(node("capsule_serve.ts", "0"))
  const line = yield* Stream.runHead(Exec.lines(server.events))
  const url = Option.getOrThrow(line).replace("serving at ", "")

  const started = yield* exec.run(node("capsule_start.ts", url))
  yield* Console.log(`${started.stdout}it died: ${ExitStatus.format(started.status)}`)

  const found = yield* exec.run(node("capsule_find.ts", url))
  yield* Console.log(found.stdout.trimEnd())
})

NodeRuntime.runMain(Effect.scoped(program).pipe(Effect.provide(LocalExec.layer)))

/* prints
run: hello from the capsule
started: tick 1
started: tick 2
it died: SIGKILL
found: a capsule of local that is running
found: tick 1
found: tick 2
found: tick 3
left: 0 processes
left: 0 capsules
*/
