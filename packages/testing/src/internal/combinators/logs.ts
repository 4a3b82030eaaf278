/**
 * The log of what was run.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as AuditLog from "effect-exec/AuditLog"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import { type Kit, test, verbs, withEach, type Test } from "./kit.ts"

const audited = ({ within }: Kit, options?: AuditLog.Options) =>
  Effect.map(within(AuditLog.audit(options)), (context) => {
    const { entries } = Context.get(context, AuditLog.AuditLog)
    return {
      exec: Context.get(context, Exec.Exec),
      read: (count: number) => Stream.runCollect(Stream.take(entries, count))
    }
  })

const endOf = (entry: AuditLog.Entry | undefined): string => {
  if (entry?._tag !== "Ended") return assert.fail(`it is ${entry?._tag}`)
  const { end } = entry
  return end._tag === "Exited" ? `exit ${end.code}` : end._tag === "Signaled" ? end.signal : end._tag
}

/** Logs. */
export const logs: ReadonlyArray<Test> = [
  test("audit: each command is in the log before it runs, with its verb, and when it has ended", function* (kit) {
    const { exec, read } = yield* audited(kit)
    yield* withEach((verb, name) => verb(exec, kit.sh("exit 3", name)))
    const entries = yield* read(8)
    const seen = entries.flatMap((entry) => {
      if (entry._tag !== "Requested") return []
      const ended = entries.find(({ id, _tag }) => id === entry.id && _tag === "Ended")
      assert.isAbove(entries.indexOf(ended!), entries.indexOf(entry))
      assert.strictEqual(endOf(ended), "exit 3")
      assert.isAtLeast(Duration.toMillis((ended as { duration: Duration.Duration }).duration), 0)
      assert.strictEqual(entry.verb, entry.command.argv.at(-1))
      return [entry.verb]
    })
    assert.deepStrictEqual(seen.toSorted(), Object.keys(verbs).toSorted() as typeof seen)
  }),
  test("audit: a death by signal, a start that failed, an interruption and a closed scope are ends", function* (kit) {
    const { exec, read } = yield* audited(kit)
    const process = yield* exec.detach(kit.sh("exec sleep 300"))
    yield* process.kill({ signal: "SIGKILL" })
    yield* process.wait()
    assert.strictEqual(endOf((yield* read(2))[1]), "SIGKILL")
    yield* Effect.flip(exec.spawn(Command.make("effect-exec-no-such-program")))
    assert.strictEqual(endOf((yield* read(2))[1]), "Failed")
    const hanging = yield* Effect.forkChild(exec.run(kit.sh("echo >>log; exec sleep 300")))
    yield* kit.hasLines("log", 1)
    yield* Fiber.interrupt(hanging)
    assert.strictEqual(endOf((yield* read(2))[1]), "Interrupted")
    yield* Effect.scoped(exec.spawn(kit.sh("exec sleep 300")))
    assert.strictEqual(endOf((yield* read(2))[1]), "SIGTERM")
  }),
  test("audit: while nobody reads, no command starts that has no room in the log", function* (kit) {
    const { exec, read } = yield* audited(kit, { capacity: 1 })
    yield* exec.run(kit.sh("echo 1 >>log"))
    const next = yield* Effect.forkChild(exec.run(kit.sh("echo 2 >>log")))
    // Longer than the next one takes, if nothing holds it up.
    yield* Effect.forEach([1, 2], () => kit.exec.run(kit.sh("exit 0")))
    assert.deepStrictEqual(yield* kit.lines("log"), ["1"])
    yield* read(2)
    yield* Fiber.join(next)
    assert.deepStrictEqual(yield* kit.lines("log"), ["1", "2"])
  })
]
