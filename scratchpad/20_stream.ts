/** Watches a command while it runs, as a stream of events, of text or of lines. */
import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Stream } from "effect"
import { Command, Exec, ExecEvent, ExecResult, ExitStatus } from "effect-exec"
import { LocalExec } from "@effect-exec/local"

const build = Command.shell("echo compiling; echo 'warning: x is unused' >&2; exit 2")

const program = Effect.gen(function* () {
  const exec = yield* Exec.Exec

  // Events: first Started, then output in the order in which it was observed, last how it ended.
  yield* exec.stream(Command.shell("echo compiling; exit 2")).pipe(
    Stream.map(
      ExecEvent.match({
        Started: () => "it runs",
        Stdout: ({ bytes, offset }) => `${bytes.length} bytes of stdout, from byte ${offset} on`,
        Stderr: ({ bytes, offset }) => `${bytes.length} bytes of stderr, from byte ${offset} on`,
        Gap: ({ from, to }) => `${to - from} bytes are missing`,
        Exited: ({ status }) => ExitStatus.format(status)
      })
    ),
    Stream.runForEach(Console.log)
  )

  // Lines of one stream, or of both.
  yield* Exec.lines(exec.stream(build), { of: "stderr" }).pipe(Stream.runForEach(Console.log))

  // The result is still there after streaming.
  const result = yield* Stream.run(exec.stream(build), ExecResult.collect)
  yield* Console.log("exit", result.exitCode, JSON.stringify(result.stdout))

  // Backpressure is real and an early end is an end: `yes` writes for ever, and is gone after three lines.
  yield* Exec.lines(exec.stream(Command.make("yes"))).pipe(Stream.take(3), Stream.runForEach(Console.log))
})

NodeRuntime.runMain(Effect.provide(program, LocalExec.layer))

/* prints
it runs
10 bytes of stdout, from byte 0 on
exit 2
warning: x is unused
exit 2 "compiling\n"
y
y
y
*/
