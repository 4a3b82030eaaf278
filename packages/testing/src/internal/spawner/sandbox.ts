/**
 * What a spawner for another place promises beyond the platform's own, and what it says it cannot do.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import { assert } from "@effect/vitest"
import { decode, encode } from "../web.ts"
import { areDead, failsWith, firstLine, sh, test, text, type Test } from "./kit.ts"

const additionalFds = { fd3: { type: "output" } } as const

/** A `Stdio` in memory. */
const memory = (input: string) => {
  const written = { stdout: "", stderr: "" }
  // Slowly, so that it matters who waits for it.
  const to = (name: keyof typeof written) => () =>
    Sink.forEach((part: string | Uint8Array) =>
      Effect.andThen(
        Effect.sleep(30),
        Effect.sync(() => void (written[name] += typeof part === "string" ? part : decode(part)))
      )
    )
  return {
    written,
    stdio: Stdio.make({
      args: Effect.succeed([]),
      stdin: Stream.make(encode(input)),
      stdout: to("stdout"),
      stderr: to("stderr")
    })
  }
}

/** What only a sandbox's own spawner does. */
export const sandbox: ReadonlyArray<Test> = [
  test("additionalFds is BadArgument, and nothing was started", function* () {
    const error = yield* failsWith(ChildProcess.make("true", [], { additionalFds }), "BadArgument")
    assert.include(error.message, "additionalFds")
  }),
  test("a pipe from or to another descriptor is BadArgument, and nothing was started", function* () {
    const cat = ChildProcess.make("cat")
    yield* failsWith(ChildProcess.make`true`.pipe(ChildProcess.pipeTo(cat, { from: "fd3" })), "BadArgument")
    yield* failsWith(ChildProcess.make`true`.pipe(ChildProcess.pipeTo(cat, { to: "fd3" })), "BadArgument")
  }),
  test("unref is BadArgument", function* () {
    const handle = yield* sh("exit 0")
    assert.include((yield* failsWith(handle.unref, "BadArgument")).message, "Exec.detach")
  }),
  test("a signal that does not exist is BadArgument, and what was to get it lives on", function* () {
    const handle = yield* sh("exec sleep 300")
    yield* failsWith(handle.kill({ killSignal: "SIGBREAK" }), "BadArgument")
    assert.isTrue(yield* handle.isRunning)
    yield* failsWith(sh("exit 0", [], { killSignal: "SIGLOST" }), "BadArgument")
  }),
  test("each command of a pipeline is checked before the first one starts", function* () {
    const error = yield* failsWith(
      ChildProcess.make("effect-exec-no-such-program").pipe(ChildProcess.pipeTo(ChildProcess.make("true", ["\0"]))),
      "BadArgument"
    )
    assert.include(error.message, "NUL")
  }),
  test("killing what has ended succeeds", function* () {
    const handle = yield* sh("exit 0")
    yield* handle.exitCode
    yield* handle.kill()
    assert.strictEqual(yield* handle.exitCode, 0)
  }),
  test("closing the scope kills what ignores the signal and outlived its parent", function* () {
    const pids = yield* Effect.scoped(
      Effect.flatMap(sh("sh -c 'trap \"\" TERM; echo $$; exec sleep 300' & wait"), (handle) =>
        Effect.map(firstLine(handle), (line) => [Number(line), Number(handle.pid)])
      )
    )
    yield* areDead(pids)
  }),
  test("closing the scope lets it write what it still has to, though nobody reads", function* () {
    const last = "trap 'head -c 4194304 /dev/zero; exit 0' TERM; echo READY; while :; do sleep 0.05; done"
    const handle = yield* Effect.scoped(Effect.tap(sh(last), firstLine))
    assert.strictEqual(yield* handle.exitCode, 0)
  }),
  test("all is in the order in which it was written, where there is time between", function* () {
    const handle = yield* sh("for i in 1 2 3; do echo out$i; sleep 0.1; echo err$i >&2; sleep 0.1; done")
    assert.strictEqual(yield* text(handle.all), "out1\nerr1\nout2\nerr2\nout3\nerr3\n")
  }),
  test("inherit is BadArgument without a Stdio", function* () {
    const error = yield* failsWith(sh("exit 0", [], { stdout: "inherit" }), "BadArgument")
    assert.include(error.message, "Stdio")
  }),
  test("inherit copies from and to the Stdio, all of it before the exit code", function* () {
    const { stdio, written } = memory("in")
    const command = sh("cat; echo out; echo err >&2; exit 3", [], {
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit"
    })
    const handle = yield* Effect.provideService(command, Stdio.Stdio, stdio)
    assert.strictEqual(yield* handle.exitCode, 3)
    assert.deepStrictEqual(written, { stdout: "inout\n", stderr: "err\n" })
  }),
  test("what platform-node dies of is an error", function* () {
    yield* failsWith(ChildProcess.make(""), "BadArgument")
    yield* failsWith(ChildProcess.make("true", [], { env: { "": "x" } }), "BadArgument")
    yield* failsWith(ChildProcess.make("true", ["x".repeat(200_000)]), "Unknown")
    const { reason } = yield* failsWith(ChildProcess.make("pwd", [], { cwd: "/etc/passwd" }), "BadResource")
    assert.strictEqual(reason.module, "FileSystem")
  }),
  test("a stdin that dies is no end of it: exitCode dies too", function* () {
    const handle = yield* sh("cat; exec sleep 300", [], { stdin: Stream.die("broken") })
    assert.isTrue(Exit.hasDies(yield* Effect.exit(handle.exitCode)))
  }),
  test("an error has what Exec said as its cause", function* () {
    const error = yield* failsWith(ChildProcess.make("effect-exec-no-such-program"), "NotFound")
    assert.propertyVal(error.cause, "_tag", "ExecError")
  })
]
