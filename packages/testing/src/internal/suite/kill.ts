/**
 * Signals and trees.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as Signal from "effect-exec/Signal"
import { members, type TreeKind } from "../../Fixtures.ts"
import { type Chapter, testOf } from "./case.ts"
import { eventually, follow } from "./facts.ts"
import { failsWith } from "./kit.ts"

// All that POSIX names and a process can catch, but SIGCHLD, which a shell's own children raise.
const catchable =
  "HUP INT QUIT ILL TRAP ABRT BUS FPE USR1 SEGV USR2 PIPE ALRM TERM CONT TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH SYS".split(
    " "
  )

/** C42, C43: signals. */
export const signals: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures, capabilities } = target
  return [
    test(
      "C42 every signal arrives as itself, by name and by number",
      ({ exec }) =>
        Effect.gen(function* () {
          const process = yield* exec.spawn(fixtures.signals(catchable))
          const seen = yield* follow(process.events)
          yield* seen.sees("READY\n")
          let expected = "READY\n"
          for (const name of catchable) {
            for (const signal of [`SIG${name}`, Signal.toNumber(`SIG${name}` as Signal.Signal)]) {
              yield* process.signal(signal)
              expected += `GOT ${name}\n`
              yield* seen.sees(expected)
            }
          }
          yield* process.signal("SIGKILL")
          yield* seen.ended
          assert.strictEqual(seen.stdout(), expected)
        }),
      { timeout: 60_000 }
    ),
    test("C42 an unknown signal is InvalidCommand, and nothing is signalled", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.hang)
        yield* Effect.addFinalizer(() => Effect.ignore(process.kill({ signal: "SIGKILL" })))
        for (const signal of ["SIGNOPE", "", "9 ", "SIG99", 0, 65, -9, 1.5, Number.NaN]) {
          yield* failsWith(process.kill({ signal }), "InvalidCommand")
          yield* failsWith(exec.kill(process.id, { signal }), "InvalidCommand")
          yield* failsWith(process.signal(signal), "InvalidCommand")
        }
        assert.isTrue(yield* process.isRunning)
      })),
    test("C42 kill sends TERM to the tree by default, and the status says so", ({ exec, areSoonDead }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.tree("children"))
        const seen = yield* follow(process.events)
        const pids = yield* seen.seesMembers(3)
        yield* process.kill()
        const exit = yield* seen.ended
        if (capabilities.exit === "exact") assert.deepStrictEqual(exit.status, { _tag: "Signaled", signal: "SIGTERM" })
        assert.strictEqual(exit.endedBy, "signal")
        yield* areSoonDead(pids)
      })),
    test("C42 scope process reaches the process alone", ({ exec, alive, areDead }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.tree("children"), { lingering: "await" })
        const seen = yield* follow(process.events)
        const pids = yield* seen.seesMembers(3)
        yield* process.kill({ signal: "SIGUSR1", scope: "process" })
        yield* process.wait
        const rest = pids.filter((pid) => pid !== process.pid)
        assert.sameMembers([...(yield* alive(pids))], rest)
        yield* process.kill({ signal: "SIGKILL" })
        yield* seen.ended
        yield* areDead(pids)
      })),
    test("C42 grace lets it end in its own way", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.graceful(6))
        const seen = yield* follow(process.events)
        yield* seen.sees("READY\n")
        const before = yield* Clock.currentTimeMillis
        yield* process.kill({ grace: "20 seconds" })
        assert.isBelow((yield* Clock.currentTimeMillis) - before, 10_000)
        assert.deepStrictEqual((yield* seen.ended).status, { _tag: "Exited", code: 6 })
        assert.strictEqual(seen.stdout(), "READY\nTERM\n")
      })),
    test("C42 when the grace has passed the tree is killed; it is measured until the end", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.tree("stubborn"))
        const seen = yield* follow(process.events)
        const pids = yield* seen.seesMembers(3)
        const before = yield* Clock.currentTimeMillis
        yield* process.kill({ grace: 300 })
        const took = (yield* Clock.currentTimeMillis) - before
        yield* areDead(pids)
        assert.isAtLeast(took, 250)
        assert.isBelow(took, 1300)
        assert.strictEqual((yield* seen.ended).endedBy, "signal")
      })),
    test("C42 STOP and CONT suspend and continue", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.signals(["USR1"]))
        const seen = yield* follow(process.events)
        yield* seen.sees("READY\n")
        yield* process.signal("SIGSTOP")
        yield* process.signal("SIGUSR1")
        yield* Effect.sleep(100)
        assert.strictEqual(seen.stdout(), "READY\n")
        yield* process.signal("SIGCONT")
        yield* seen.sees("GOT USR1\n")
        // A stopped process ends too.
        yield* process.signal("SIGSTOP")
        yield* process.kill({ signal: "SIGKILL" })
        yield* seen.ended
      })),
    test("C43 killing what has exited succeeds, again and again", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.exit(4))
        yield* process.wait()
        yield* process.kill()
        yield* process.kill({ signal: "SIGKILL", grace: 100 })
        yield* process.signal("SIGTERM")
        yield* exec.kill(process.id)
        yield* exec.kill(process.pid)
        yield* exec.kill(process.tag, { grace: 100 })
        assert.deepStrictEqual((yield* process.wait()).status, { _tag: "Exited", code: 4 })
      })),
    test("C43 many may kill at once", ({ exec, areDead }) =>
      Effect.gen(function* () {
        const process = yield* exec.detach(fixtures.ignoreTerm)
        const seen = yield* follow(process.events())
        yield* seen.sees("READY\n")
        yield* Effect.all(
          Array.from({ length: 5 }, () => exec.kill(process.id, { grace: 200 })),
          { concurrency: "unbounded", discard: true }
        )
        yield* areDead([process.pid])
        assert.strictEqual((yield* seen.ended).endedBy, "signal")
      })),
    test("C43 killing what never was is ProcessNotFound", ({ exec }) =>
      Effect.gen(function* () {
        yield* failsWith(exec.kill("no-such-process"), "ProcessNotFound")
        yield* failsWith(exec.kill(999_999_999), "ProcessNotFound")
        yield* failsWith(exec.kill("999999999"), "ProcessNotFound")
      })),
    test("C43 a process of the sandbox that is not ours is not signalled", ({ exec, alive }) =>
      Effect.gen(function* () {
        const spawned = yield* exec.spawn(fixtures.hang)
        yield* failsWith(exec.kill(spawned.pid, { signal: "SIGKILL" }), "ProcessNotFound")
        yield* failsWith(exec.get(spawned.pid), "ProcessNotFound")
        assert.deepStrictEqual(yield* alive([spawned.pid]), [spawned.pid])
      }))
  ]
}

/** C44, C45: whole trees. */
export const trees: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures, capabilities } = target
  const group: ReadonlyArray<TreeKind> = ["children", "stubborn", "background"]
  const descent: ReadonlyArray<TreeKind> = [...group, "session"]
  const kinds: ReadonlyArray<TreeKind> =
    capabilities.tree === "group"
      ? group
      : capabilities.tree === "group+descent"
        ? descent
        : [...descent, "orphan", "envless"]
  const count = (kind: TreeKind) => members[kind]
  return [
    ...kinds.flatMap((kind) => [
      test(`C44 KILL ends all of a tree (${kind})`, ({ exec, areSoonDead }) =>
        Effect.gen(function* () {
          const process = yield* exec.detach(fixtures.tree(kind))
          const seen = yield* follow(process.events())
          const pids = yield* seen.seesMembers(count(kind))
          yield* exec.kill(process.id, { signal: "SIGKILL" })
          yield* areSoonDead(pids)
          assert.isFalse((yield* seen.ended).incomplete)
        })),
      test(`C44 closing the scope ends all of a tree (${kind})`, ({ exec, areDead }) =>
        Effect.gen(function* () {
          const pids = yield* Effect.scoped(
            Effect.gen(function* () {
              const process = yield* exec.spawn(fixtures.tree(kind), { grace: 300 })
              return yield* (yield* follow(process.events)).seesMembers(count(kind))
            })
          )
          yield* areDead(pids)
        }))
    ]),
    ...kinds
      .filter((kind) => kind === "background" || kind === "orphan")
      .map((kind) =>
        test(`C44 what is left when the leader exits is ended (${kind})`, ({ exec, areDead }) =>
          Effect.gen(function* () {
            const result = yield* exec.run(fixtures.tree(kind, "exits"))
            assert.isFalse(result.incomplete)
            const pids = Array.from(result.stdout.matchAll(/PID (\d+)/g), ([, pid]) => Number(pid))
            assert.strictEqual(pids.length, count(kind))
            yield* areDead(pids)
          }))
      ),
    test("C45 a tree that forks while it is being killed ends", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.storm)
        const seen = yield* follow(process.events)
        yield* seen.sees("READY\n")
        yield* process.kill({ grace: 300 })
        // All of them hold the output: its end, and that nothing is missing, is the proof that none is left.
        const exit = yield* seen.ended
        assert.isFalse(exit.incomplete)
      })),
    test("C45 closing the scope of a tree that forks ends it", ({ exec, survivors }) =>
      Effect.gen(function* () {
        const mark = { EFFECT_EXEC_TEST: `storm-${yield* Clock.currentTimeNanos}` }
        const command = { ...fixtures.storm, env: { ...fixtures.storm.env, ...mark } }
        const streaming = yield* Effect.forkScoped(Stream.runDrain(exec.stream(command, { grace: 300 })))
        const name = `EFFECT_EXEC_TEST=${mark.EFFECT_EXEC_TEST}`
        yield* eventually(
          "the storm has begun",
          Effect.map(survivors(name), (pids) => pids.length > 0)
        )
        const before = yield* Clock.currentTimeMillis
        yield* Fiber.interrupt(streaming)
        // The grace, the kill deadline, and some room for a machine that is busy with a storm.
        assert.isBelow((yield* Clock.currentTimeMillis) - before, 300 + 5000 + 2000)
        assert.deepStrictEqual(yield* survivors(name), [])
      }))
  ]
}
