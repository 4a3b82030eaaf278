/**
 * How many run at a time, and what is tried again.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as ExecLayer from "effect-exec/ExecLayer"
import * as ProcessId from "effect-exec/ProcessId"
import * as FaultyExec from "../../FaultyExec.ts"
import { eventually } from "../suite/facts.ts"
import { test, verbs, withEach, type Test } from "./kit.ts"

/** Says when it begins and ends, and is there for a while; ends only once a second one has begun. */
const overlapping = `echo + >>log
while [ "$(grep -c + log)" -lt 2 ]; do sleep 0.01; done
sleep 0.05; echo - >>log`

/** How many at the most had begun and not ended. */
const most = (log: ReadonlyArray<string>): number => {
  let running = 0
  return Math.max(...log.map((line) => (running += line === "+" ? 1 : -1)))
}

const missing = Command.make("effect-exec-no-such-program")

/** Turns. */
export const turns: ReadonlyArray<Test> = [
  test("limit: so many run at a time, whichever way they are started", function* ({ around, lines, sh }) {
    const exec = yield* around(ExecLayer.limit(2))
    yield* withEach((verb) =>
      Effect.all([verb(exec, sh(overlapping)), verb(exec, sh(overlapping))], { concurrency: 2 })
    )
    const log = yield* lines("log")
    assert.deepStrictEqual([log.length, most(log)], [16, 2])
  }),
  test("limit: a turn is given back by a failed start, an interruption, an early end and a closed scope", function* ({
    around,
    hasLines,
    sh
  }) {
    const exec = yield* around(ExecLayer.limit(1))
    yield* Effect.gen(function* () {
      yield* withEach((verb) => Effect.flip(verb(exec, missing)))
      yield* Effect.flip(exec.spawn(missing))
      yield* exec.spawn(sh("exec sleep 300"))
    }).pipe(Effect.scoped)
    const hanging = yield* Effect.forkChild(exec.run(sh("echo >>log; exec sleep 300")))
    yield* hasLines("log", 1)
    yield* Fiber.interrupt(hanging)
    yield* Stream.runDrain(Stream.take(exec.stream(sh("exec yes")), 2))
    assert.strictEqual((yield* exec.run(sh("exit 4"))).exitCode, 4)
  }),
  test("limit: a detached process counts until it ends", function* ({ around, exec: unlimited, hasLines, lines, sh }) {
    const exec = yield* around(ExecLayer.limit(1))
    const process = yield* exec.detach(sh("echo + >>log; read -r _; echo - >>log"), { stdin: "open" })
    yield* hasLines("log", 1)
    const next = yield* Effect.forkChild(exec.run(sh("echo + >>log; echo - >>log")))
    // Longer than the next one takes, if nothing holds it up.
    yield* Effect.forEach([1, 2], () => unlimited.run(sh("exit 0")))
    yield* process.closeStdin
    yield* Fiber.join(next)
    assert.deepStrictEqual(yield* lines("log"), ["+", "-", "+", "-"])
  }),
  test("retry: what is not there yet is tried until it is, and each command runs once", function* ({ coming }) {
    const { come, layer } = yield* coming
    let refused = 0
    const patient = Schedule.tap(Schedule.spaced("20 millis"), () => Effect.sync(() => void refused++))
    const exec = Context.get(yield* Layer.build(layer.pipe(ExecLayer.retry(patient))), Exec.Exec)
    const file = `/tmp/effect-exec-${yield* ProcessId.random}`
    const noted = (name: string) => Command.make("/bin/sh", ["-c", 'echo "$1" >>"$2"', "sh", name, file])
    const running = yield* Effect.forkChild(withEach((verb, name) => verb(exec, noted(name))))
    yield* eventually(
      "every one was refused",
      Effect.sync(() => refused >= 4)
    )
    yield* come
    assert.isTrue((yield* Fiber.join(running)).every(({ ok }) => ok))
    const { stdout } = yield* exec.run(Command.make("/bin/sh", ["-c", 'cat "$1"; rm "$1"', "sh", file]))
    assert.deepStrictEqual(stdout.trim().split("\n").toSorted(), Object.keys(verbs).toSorted())
  }),
  test("retry: what may have run is never run again", function* ({ lines, sh, within }) {
    const exec = Context.get(
      yield* within((self) =>
        FaultyExec.layer({ faults: [FaultyExec.lose({ after: 1 })] }).pipe(Layer.provide(self), ExecLayer.retry())
      ),
      Exec.Exec
    )
    yield* withEach((verb, name) =>
      Effect.map(Effect.flip(verb(exec, sh('echo "$1" >>log; echo said; exec sleep 300', name))), ({ reason }) =>
        assert.deepInclude(reason, { _tag: "ConnectionLost", started: true })
      )
    )
    assert.deepStrictEqual((yield* lines("log")).toSorted(), Object.keys(verbs).toSorted())
  }),
  test("retry: a command that failed by itself is a result, and one that cannot be started is tried once", function* ({
    around,
    sh
  }) {
    const tried: Array<string> = []
    const exec = yield* around((self) =>
      self.pipe(
        ExecLayer.mapCommand((command) => {
          tried.push(command.argv[0])
          return command
        }),
        ExecLayer.retry(Schedule.forever)
      )
    )
    yield* withEach((verb) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* verb(exec, sh("exit 5"))).exitCode, 5)
        assert.strictEqual((yield* Effect.flip(verb(exec, missing))).reason._tag, "CommandNotFound")
      })
    )
    assert.strictEqual(tried.length, 8)
  })
]
