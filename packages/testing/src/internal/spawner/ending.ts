/**
 * Ends: exit codes, signals, kills, and what becomes of children.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { encode } from "../web.ts"
import { alive, areDead, areSoonDead, failsWith, firstLine, output, sh, test, text, use, type Test } from "./kit.ts"

const hang = "echo READY; exec sleep 300"
// Ignores TERM, and so does what it starts.
const stubborn = "trap '' TERM; echo READY; exec sleep 300"
const family = 'sleep 300 & echo "$$ $!"; wait'

const pidsOf = (line: string): ReadonlyArray<number> => line.trim().split(" ").map(Number)

const signalOf = (error: { readonly cause?: unknown }): string =>
  error.cause instanceof Error ? error.cause.message : String(error.cause)

const took = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const started = yield* Clock.currentTimeMillis
    const value = yield* effect
    return [value, (yield* Clock.currentTimeMillis) - started] as const
  })

/** Spawns in a scope of its own, for tests of what happens when that closes. */
const inScope = (...args: Parameters<typeof sh>) =>
  Effect.gen(function* () {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    return { handle: yield* Scope.provide(sh(...args), scope), close: Scope.close(scope, Exit.void) }
  })

/** Ends. */
export const ends: ReadonlyArray<Test> = [
  test("an exit code is a value, whatever it is", function* () {
    for (const code of [0, 1, 42, 126, 127, 255]) {
      assert.strictEqual(yield* use((spawner) => spawner.exitCode(sh(`exit ${code}`))), code)
    }
  }),
  test("a death by signal fails exitCode, and names the signal", function* () {
    const handle = yield* sh("kill -s KILL $$", ["a b"])
    const error = yield* failsWith(handle.exitCode, "Unknown")
    assert.include(signalOf(error), "SIGKILL")
    assert.deepInclude(error.reason, {
      module: "ChildProcess",
      method: "exitCode",
      pathOrDescriptor: "/bin/sh -c 'kill -s KILL $$' sh 'a b'"
    })
    assert.isFalse(yield* handle.isRunning)
  }),
  test("isRunning tells whether it runs", function* () {
    const handle = yield* sh("read -r _; exit 2")
    assert.isTrue(yield* handle.isRunning)
    yield* Stream.run(Stream.empty, handle.stdin)
    assert.strictEqual(yield* handle.exitCode, 2)
    assert.isFalse(yield* handle.isRunning)
  }),
  test("exitCode comes with the exit, though a child holds the output", function* () {
    const handle = yield* sh("sleep 300 & echo $!; exit 0")
    const pids = pidsOf(yield* firstLine(handle))
    assert.strictEqual(yield* handle.exitCode, 0)
    assert.isFalse(yield* handle.isRunning)
    assert.deepStrictEqual(yield* alive(pids), pids)
  }),
  test("what children write after an exit with 0 is still read", function* () {
    assert.strictEqual(yield* output(sh("(sleep 0.3; echo late) & echo early")), "early\nlate\n")
  }),
  test("a child that holds no output holds nobody up, and ends with the scope", function* () {
    const [listed, millis] = yield* took(output(sh("sleep 300 >/dev/null 2>&1 & echo $!")))
    assert.isBelow(millis, 5000)
    yield* areDead(pidsOf(listed))
  }),
  test("an exit with another code ends the children at once", function* () {
    const handle = yield* sh("sleep 300 & echo $!; exit 3")
    const pids = pidsOf(yield* firstLine(handle))
    assert.strictEqual(yield* handle.exitCode, 3)
    yield* areSoonDead(pids)
  }),
  test("an exit with another code ends the children with killSignal", function* () {
    const child = "trap 'echo got; exit 0' USR1; echo READY >&2; while :; do sleep 0.05; done"
    const handle = yield* sh('sh -c "$1" & read -r _; exit 3', [child], { killSignal: "SIGUSR1" })
    yield* Stream.runHead(handle.stderr)
    yield* Stream.run(Stream.make(encode("\n")), handle.stdin)
    assert.strictEqual(yield* text(handle.stdout), "got\n")
    assert.strictEqual(yield* handle.exitCode, 3)
  }),
  test("detached: false leaves the children of an exit with another code alone", function* () {
    const handle = yield* sh("sleep 300 & echo $!; exit 3", [], { detached: false })
    const pids = pidsOf(yield* firstLine(handle))
    assert.strictEqual(yield* handle.exitCode, 3)
    yield* output(sh("sleep 0.1"))
    assert.deepStrictEqual(yield* alive(pids), pids)
    yield* output(sh('kill -s KILL "$1"', pids.map(String)))
  }),
  test("kill sends TERM, and returns when it has ended", function* () {
    const handle = yield* sh(hang)
    yield* firstLine(handle)
    yield* handle.kill()
    assert.isFalse(yield* handle.isRunning)
    assert.include(signalOf(yield* failsWith(handle.exitCode, "Unknown")), "SIGTERM")
  }),
  test("kill sends TERM also where the command has a killSignal of its own", function* () {
    const handle = yield* sh("trap 'exit 9' TERM; echo READY; while :; do sleep 0.05; done", [], {
      killSignal: "SIGINT",
      forceKillAfter: "1 millis"
    })
    yield* firstLine(handle)
    yield* handle.kill()
    assert.strictEqual(yield* handle.exitCode, 9)
  }),
  test("kill sends the signal that it is told", function* () {
    const handle = yield* sh("trap 'exit 9' INT; echo READY; while :; do sleep 0.05; done")
    yield* firstLine(handle)
    yield* handle.kill({ killSignal: "SIGINT" })
    assert.strictEqual(yield* handle.exitCode, 9)
  }),
  test("kill takes other names of signals too", function* () {
    const handle = yield* sh("trap 'exit 9' ABRT; echo READY; while :; do sleep 0.05; done")
    yield* firstLine(handle)
    yield* handle.kill({ killSignal: "SIGIOT" })
    assert.strictEqual(yield* handle.exitCode, 9)
  }),
  test("without forceKillAfter kill waits for what ignores it, and does no more", function* () {
    const handle = yield* sh("trap '' TERM; echo READY; read -r _; exit 8", [], { stdin: "pipe" })
    yield* firstLine(handle)
    const killing = yield* Effect.forkChild(handle.kill())
    yield* Effect.sleep(300)
    assert.isUndefined(killing.pollUnsafe())
    assert.isTrue(yield* handle.isRunning)
    yield* handle.kill({ killSignal: "SIGKILL" })
    yield* Fiber.join(killing)
  }),
  test("with forceKillAfter KILL follows, also to the children", function* () {
    const handle = yield* sh("trap '' TERM; sleep 300 & echo \"$$ $!\"; wait")
    const pids = pidsOf(yield* firstLine(handle))
    yield* handle.kill({ forceKillAfter: "200 millis" })
    assert.isFalse(yield* handle.isRunning)
    yield* areSoonDead(pids)
  }),
  test("kill reaches the children", function* () {
    const handle = yield* sh(family)
    const pids = pidsOf(yield* firstLine(handle))
    yield* handle.kill()
    yield* areSoonDead(pids)
  }),
  test("detached: false makes it reach the process alone", function* () {
    const handle = yield* sh(family, [], { detached: false })
    const [pid, child] = pidsOf(yield* firstLine(handle))
    yield* handle.kill()
    assert.deepStrictEqual(yield* alive([pid!, child!]), [child])
    yield* output(sh('kill -s KILL "$1"', [String(child)]))
  }),
  test("closing the scope ends it and its children", function* () {
    const { close, handle } = yield* inScope(family)
    const pids = pidsOf(yield* firstLine(handle))
    yield* close
    yield* areSoonDead(pids)
    assert.isFalse(yield* handle.isRunning)
  }),
  test("closing the scope sends killSignal, and waits", function* () {
    const { close, handle } = yield* inScope(
      "trap 'sleep 0.3; exit 5' INT; echo READY; while :; do sleep 0.05; done",
      [],
      {
        killSignal: "SIGINT"
      }
    )
    yield* firstLine(handle)
    yield* close
    assert.strictEqual(yield* handle.exitCode, 5)
  }),
  test("closing the scope sends KILL to what ignores that, after forceKillAfter", function* () {
    const { close, handle } = yield* inScope(stubborn, [], { forceKillAfter: "100 millis" })
    yield* firstLine(handle)
    yield* close
    assert.include(signalOf(yield* failsWith(handle.exitCode, "Unknown")), "SIGKILL")
  }),
  test("interrupting whoever owns the scope ends it before the interrupt completes", function* () {
    const started = yield* Deferred.make<number>()
    const owner = Effect.flatMap(sh("echo $$; exec sleep 300"), (handle) =>
      Effect.andThen(
        Effect.flatMap(firstLine(handle), (line) => Deferred.succeed(started, Number(line))),
        handle.exitCode
      )
    )
    const fiber = yield* Effect.forkChild(Effect.scoped(owner))
    const pid = yield* Deferred.await(started)
    yield* Fiber.interrupt(fiber)
    yield* areDead([pid])
  })
]
