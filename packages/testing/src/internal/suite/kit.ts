/**
 * What the tests of the suite have in common: asking the sandbox about its processes, and errors taken apart.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assert } from "@effect/vitest"
import type { Command } from "effect-exec/Command"
import type { Exec } from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import type { ExecResult } from "effect-exec/ExecResult"
import type { ProcessHandle } from "effect-exec/Process"
import * as ProcessId from "effect-exec/ProcessId"
import type { Fixtures } from "../../Fixtures.ts"
import { eventually } from "./facts.ts"

/** What a test is given. */
export interface Kit {
  readonly exec: Exec["Service"]
  readonly fixtures: Fixtures
  /** Those of the pids that live. */
  readonly alive: (pids: ReadonlyArray<number>) => Effect.Effect<ReadonlyArray<number>, unknown>
  /** Asserts that none of the pids lives, now. */
  readonly areDead: (pids: ReadonlyArray<number>) => Effect.Effect<void, unknown>
  /** Waits until none of the pids lives. */
  readonly areSoonDead: (pids: ReadonlyArray<number>) => Effect.Effect<void, unknown>
  /** Ends processes without the help of what is tested. */
  readonly cleanUp: (pids: ReadonlyArray<number>) => Effect.Effect<void, unknown>
  /** The processes that have this in their environment. */
  readonly survivors: (mark: string) => Effect.Effect<ReadonlyArray<number>, unknown>
}

const numbers = (result: ExecResult): ReadonlyArray<number> => {
  assert.strictEqual(result.exitCode, 0, `asking the sandbox about its processes: ${result.stderr}`)
  return result.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map(Number)
}

/** What a test is given. */
export const makeKit = (exec: Exec["Service"], fixtures: Fixtures): Kit => {
  const alive: Kit["alive"] = (pids) => Effect.map(exec.run(fixtures.alive(pids)), numbers)
  return {
    exec,
    fixtures,
    alive,
    areDead: (pids) =>
      Effect.map(alive(pids), (living) => assert.deepStrictEqual(living, [], `of ${pids.join(", ")} these live`)),
    areSoonDead: (pids) =>
      eventually(
        `${pids.join(", ")} are dead`,
        Effect.map(alive(pids), (living) => living.length === 0)
      ),
    cleanUp: (pids) => Effect.asVoid(exec.run(fixtures.kill(pids))),
    survivors: (mark) => Effect.map(exec.run(fixtures.survivors(mark)), numbers)
  }
}

/** The command with a mark that all of its descendants inherit, but those that clear their environment. */
export const marked = (command: Command): Effect.Effect<{ readonly command: Command; readonly mark: string }> =>
  Effect.map(ProcessId.random, (id) => ({
    command: { ...command, env: { ...command.env, EFFECT_EXEC_TEST: id } },
    mark: `EFFECT_EXEC_TEST=${id}`
  }))

const json = Schema.toCodecJson(ExecError.ExecError)

/** Asserts that the effect fails with this reason, one that a person can act on and that survives a wire. */
export const failsWith = <Tag extends ExecError.Reason["_tag"], A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tag: Tag
): Effect.Effect<Extract<ExecError.Reason, { _tag: Tag }>, unknown, R> =>
  Effect.gen(function* () {
    // Nothing that fails takes this long; a hang would say less.
    const exit = yield* Effect.exit(Effect.timeout(effect, Duration.seconds(10)))
    if (exit._tag === "Success") return assert.fail(`it succeeded, expected ${tag}`)
    const error = yield* Effect.flip(Effect.asVoid(exit))
    if (!ExecError.isExecError(error)) return assert.fail(`it failed with ${String(error)}, expected ${tag}`)
    assert.strictEqual(error.reason._tag, tag, error.message)
    assert.match(error.message, /\S+ \S+/, "a message for people")
    const back = Schema.decodeUnknownSync(json)(JSON.parse(JSON.stringify(Schema.encodeSync(json)(error))))
    assert.strictEqual(back.message, error.message, "its message after a JSON round trip")
    assert.strictEqual(back.isRetryable, error.isRetryable, "isRetryable after a JSON round trip")
    return error.reason as Extract<ExecError.Reason, { _tag: Tag }>
  })

/** Ends it with the test, whatever becomes of that. */
export const owned = <P extends ProcessHandle, E, R>(detach: Effect.Effect<P, E, R>) =>
  Effect.acquireRelease(detach, (process) => Effect.ignore(process.kill({ signal: "SIGKILL" })))
