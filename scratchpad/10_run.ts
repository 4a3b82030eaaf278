/** Runs commands to their end. What the process did is a value: an exit code is no error. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import { Command, Exec } from "effect-exec"
import { LocalExec } from "@effect-exec/local"

const program = Effect.gen(function* () {
  const exec = yield* Exec.Exec

  // Arguments are passed as they are: no shell touches them.
  const argv = yield* exec.run(Command.make("printf", ["%s\n", "$HOME 'is' not expanded"]))
  yield* Console.log(argv.stdout.trimEnd())

  // A shell where you want one. As a template it quotes what you put in.
  const shell = yield* exec.run(Command.shell`printf '%s|' ${["two words", "it's"]} && exit 3`)
  yield* Console.log(shell.stdout, "exit", shell.exitCode, "ok", shell.ok)

  // What the program reads, where it runs, and what it finds in its environment.
  const sorted = yield* exec.run(Command.make("sort", [], { cwd: "/", env: { LC_ALL: "C" } }), { stdin: "b\na\n" })
  yield* Console.log(sorted.stdout.split("\n").join(" "))

  // Too long, and too much: the whole tree is ended, and the result says so.
  const slow = yield* exec.run(Command.shell("echo started; sleep 60"), { timeout: "200 millis" })
  yield* Console.log(slow.stdout.trimEnd(), "timedOut", slow.timedOut)
  const flood = yield* exec.run(Command.make("yes"), { maxOutput: 10 })
  yield* Console.log(JSON.stringify(flood.stdout), "truncated", flood.truncated)

  // Where a failure should be an error, say so; what could not be started is one anyway, with a tagged reason.
  yield* exec.run(Command.shell("echo 'no such file' >&2; exit 1")).pipe(
    Exec.orFail,
    Effect.catchTag("CommandFailed", (error) => Console.log(error.message))
  )
  yield* exec.run(Command.make("no-such-program")).pipe(
    Effect.asVoid,
    Effect.catchReason("ExecError", "CommandNotFound", (reason) => Console.log(reason.program, "is not installed"))
  )
})

NodeRuntime.runMain(Effect.provide(program, LocalExec.layer))

/* prints
$HOME 'is' not expanded
two words|it's| exit 3 ok false
a b 
started timedOut true
"y\ny\ny\ny\ny\n" truncated true
The command ended with exit code 1: no such file
no-such-program is not installed
*/
