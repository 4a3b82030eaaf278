/**
 * Pipelines.
 */
import * as Effect from "effect/Effect"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"
import * as ChildProcess from "effect/process/ChildProcess"
import { assert } from "@effect/vitest"
import { encode } from "../web.ts"
import { areSoonDead, broken, failsWith, firstLine, output, sh, test, text, use, type Test } from "./kit.ts"

const upper = ChildProcess.make`tr a-z A-Z`
const both = sh("echo out; echo err >&2")

/** Pipelines. */
export const pipes: ReadonlyArray<Test> = [
  test("each command reads what the one before it writes", function* () {
    const pipeline = ChildProcess.make`printf %s ${"hello world"}`.pipe(
      ChildProcess.pipeTo(upper),
      ChildProcess.pipeTo(ChildProcess.make("tr", [" ", "-"]))
    )
    assert.strictEqual(yield* output(pipeline), "HELLO-WORLD")
  }),
  test("a pipeline can be part of another", function* () {
    const tail = upper.pipe(ChildProcess.pipeTo(ChildProcess.make("cat")))
    assert.strictEqual(yield* output(ChildProcess.make`printf abc`.pipe(ChildProcess.pipeTo(tail))), "ABC")
  }),
  test("from stderr, or from both", function* () {
    const cat = ChildProcess.make("cat")
    assert.strictEqual(yield* output(both.pipe(ChildProcess.pipeTo(cat, { from: "stderr" }))), "err\n")
    const all = yield* output(both.pipe(ChildProcess.pipeTo(cat, { from: "all" })))
    assert.deepStrictEqual(all.split("\n").toSorted(), ["", "err", "out"])
  }),
  test("its exit code, pid and outputs are the last one's, its stdin the first one's", function* () {
    const handle = yield* sh("tr a-z A-Z; exit 3").pipe(ChildProcess.pipeTo(sh("cat; echo err >&2; exit 4")))
    yield* Stream.run(Stream.make(encode("in")), handle.stdin)
    assert.deepStrictEqual([yield* text(handle.stdout), yield* text(handle.stderr)], ["IN", "err\n"])
    assert.strictEqual(yield* handle.exitCode, 4)
    assert.isFalse(yield* handle.isRunning)
  }),
  test("a last command that stops reading ends it, though the first would write for ever", function* () {
    assert.strictEqual(yield* output(ChildProcess.make`yes`.pipe(ChildProcess.pipeTo(sh("head -n 1")))), "y\n")
  }),
  test("4 MiB go through three commands", function* () {
    const pipeline = sh("head -c 4194304 /dev/zero").pipe(
      ChildProcess.pipeTo(ChildProcess.make("cat")),
      ChildProcess.pipeTo(ChildProcess.make("wc", ["-c"]))
    )
    assert.strictEqual(Number(yield* output(pipeline)), 4_194_304)
  }),
  test("kill ends all of it", function* () {
    const handle = yield* sh("echo $$; exec sleep 300").pipe(
      ChildProcess.pipeTo(sh('read -r pid; echo "$pid $$"; exec sleep 300'))
    )
    const pids = (yield* firstLine(handle)).split(" ").map(Number)
    yield* handle.kill()
    assert.isFalse(yield* handle.isRunning)
    yield* areSoonDead(pids)
  }),
  test("kill goes on to KILL where it is told to", function* () {
    const handle = yield* sh("trap '' TERM; echo $$; while :; do sleep 0.05; done").pipe(
      ChildProcess.pipeTo(sh('read -r pid; echo "$pid $$"; exec sleep 300'))
    )
    const pids = (yield* firstLine(handle)).split(" ").map(Number)
    yield* handle.kill({ forceKillAfter: "100 millis" })
    yield* areSoonDead(pids)
  }),
  test("a command that does not exist fails the pipeline, and is the one that the error shows", function* () {
    const { reason } = yield* failsWith(
      ChildProcess.make`echo a`.pipe(ChildProcess.pipeTo(ChildProcess.make("effect-exec-no-such-program", ["b"]))),
      "NotFound"
    )
    assert.deepInclude(reason, { method: "spawn", pathOrDescriptor: "effect-exec-no-such-program b" })
  }),
  test("an output that fails is how the command behind it fails", function* () {
    const handle = yield* sh("echo a", [], { stdout: Sink.fail(broken) }).pipe(
      ChildProcess.pipeTo(ChildProcess.make("cat"))
    )
    assert.strictEqual(yield* Effect.flip(handle.exitCode), broken)
  }),
  test("with endOnDone false the end of one is not that of the stdin behind it", function* () {
    const handle = yield* ChildProcess.make`echo a`.pipe(
      ChildProcess.pipeTo(sh("head -n 1; read -r _; echo end", [], { stdin: { stream: "pipe", endOnDone: false } }))
    )
    assert.strictEqual(yield* firstLine(handle), "a")
    yield* Effect.sleep(100)
    assert.isTrue(yield* handle.isRunning)
  }),
  test("streamLines reads a pipeline", function* () {
    const lines = yield* use((spawner) =>
      Stream.runCollect(
        spawner.streamLines(sh("printf 'b\\na\\n'").pipe(ChildProcess.pipeTo(ChildProcess.make("sort"))))
      )
    )
    assert.deepStrictEqual(lines, ["a", "b"])
  })
].map((it) => ({ ...it, title: `pipeline: ${it.title}` }))
