/** A session recorded in a container once comes again without an engine, event for event. */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, FileSystem, Layer, Redacted, Stream } from "effect"
import { Command, Exec, type ExecEvent, type ExecOptions } from "effect-exec"
import { Recorder } from "@effect-exec/testing"
import * as DockerExec from "../src/DockerExec.ts"
import { available, images } from "./engine.ts"

/** Of everything something; what it gives are events, results and errors, with every pid, offset and duration. */
const session = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  const events = (command: Command.Command, options?: ExecOptions.ExecOptions) =>
    Stream.runCollect(exec.stream(command, options))

  const converse = Effect.gen(function* () {
    const seen: Array<ExecEvent.ExecEvent> = []
    const process = yield* exec.spawn(Command.shell("while read -r n; do echo $((n * n)); done; exit 4"), {
      stdin: "open"
    })
    yield* process.write("12\n")
    yield* Stream.runForEach(process.events, (event) => {
      seen.push(event)
      return event._tag === "Stdout" ? process.closeStdin : Effect.void
    })
    return seen
  })

  const detach = Effect.gen(function* () {
    const process = yield* exec.detach(
      Command.shell("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.1; done")
    )
    yield* Exec.lines(process.events()).pipe(Stream.take(1), Stream.runDrain)
    yield* exec.kill(process.tag, { grace: "5 seconds" })
    return [yield* Stream.runCollect(exec.connect(process.id)), yield* exec.list({ exited: true })]
  })

  return {
    capabilities: yield* exec.capabilities,
    run: yield* exec.run(Command.shell("echo out; echo err >&2; exit 3")),
    megabyte: yield* events(Command.shell("head -c 1000000 /dev/urandom")),
    hash: yield* exec.run(Command.make("sha256sum"), { stdin: "x".repeat(1_000_000) }),
    terminal: yield* events(Command.shell("stty size; exit 1", { tty: { columns: 100, rows: 30 } })),
    secret: yield* exec.run(Command.shell("echo ${#TOKEN}", { env: { TOKEN: Redacted.make("hunter2") } })),
    missing: yield* Effect.flip(exec.run(Command.make("no-such-program"))),
    nowhere: yield* Effect.flip(exec.run(Command.make("ls", [], { cwd: "/no/such" }))),
    timeout: yield* events(Command.shell("trap '' TERM; echo stubborn; sleep 100"), { timeout: 500, grace: 500 }),
    cutOff: (yield* exec.run(Command.make("yes"), { maxOutput: 1000 })).stdout,
    late: yield* events(Command.shell("(sleep 0.3; echo late) & echo early"), { lingering: "drain" }),
    conversation: yield* Effect.scoped(converse),
    detached: yield* detach
  }
})

describe.runIf(available)("Recorder over DockerExec", () => {
  it.live("a session replays without an engine: the same events, in a fraction of the time", () =>
    Effect.gen(function* () {
      const fs = yield* FileSystem.FileSystem
      const cassette = `${yield* fs.makeTempDirectoryScoped()}/docker.cassette.jsonl`
      const real = DockerExec.layerContainer({ image: images.busybox })
      const engineless = Layer.effect(Exec.Exec, Effect.die(new Error("the engine was asked for")))
      const [recording, recorded] = yield* Effect.timed(
        Effect.provide(session, Recorder.layer({ cassette, real, mode: "record" }))
      )
      const [replaying, replayed] = yield* Effect.timed(
        Effect.provide(session, Recorder.layer({ cassette, real: engineless }))
      )
      assert.deepStrictEqual(replayed, recorded)
      // Nothing is waited for: not for the timeout and the grace, nor for what came late.
      assert.isBelow(Duration.toMillis(replaying), Duration.toMillis(recording) / 2)
      assert.notInclude(yield* fs.readFileString(cassette), "hunter2")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
