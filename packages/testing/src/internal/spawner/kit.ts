/**
 * What the tests of spawners have in common.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { scripts } from "../scripts.ts"
import { eventually } from "../suite/facts.ts"

/** What a test may ask for. */
export type Needs = ChildProcessSpawner.ChildProcessSpawner | Scope.Scope

/** One behaviour. */
export interface Test {
  readonly title: string
  readonly body: Effect.Effect<void, unknown, Needs>
}

/** A test. */
export const test = (title: string, body: () => Generator<Effect.Effect<unknown, unknown, Needs>, void>): Test => ({
  title,
  body: Effect.gen(body) as Test["body"]
})

/** How a stream of a test fails. */
export const broken = PlatformError.systemError({ _tag: "InvalidData", module: "Test", method: "stream" })

/** A script with its arguments. */
export const sh = (script: string, args: ReadonlyArray<string> = [], options: ChildProcess.CommandOptions = {}) =>
  ChildProcess.make("/bin/sh", ["-c", script, "sh", ...args], options)

/** The spawner. */
export const use = <A, E, R>(
  body: (spawner: ChildProcessSpawner.ChildProcessSpawner["Service"]) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | ChildProcessSpawner.ChildProcessSpawner> =>
  Effect.flatMap(ChildProcessSpawner.ChildProcessSpawner, body)

/** All that a command writes to stdout. */
export const output = (command: ChildProcess.Command) => use((spawner) => spawner.string(command))

/** A stream to its end, as text. */
export const text = <E, R>(stream: Stream.Stream<Uint8Array, E, R>): Effect.Effect<string, E, R> =>
  Stream.mkString(Stream.decodeText(stream))

/** Asserts that it fails with this reason. */
export const failsWith = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  tag: "BadArgument" | PlatformError.SystemErrorTag
): Effect.Effect<PlatformError.PlatformError, never, R> =>
  Effect.gen(function* () {
    const exit = yield* Effect.exit(Effect.timeout(effect, Duration.seconds(10)))
    if (exit._tag === "Success") return assert.fail(`it succeeded, expected ${tag}`)
    const error = yield* Effect.flip(Effect.asVoid(exit) as Effect.Effect<void, unknown>)
    if (!PlatformError.isPlatformError(error)) return assert.fail(`it failed with ${String(error)}, expected ${tag}`)
    assert.strictEqual(error.reason._tag, tag, error.message)
    return error
  }) as Effect.Effect<PlatformError.PlatformError, never, R>

/** Those of the pids that live. */
export const alive = (pids: ReadonlyArray<number>) =>
  Effect.map(output(sh(scripts.alive, pids.map(String))), (listed) => listed.split("\n").filter(Boolean).map(Number))

/** Asserts that none of the pids lives, now. */
export const areDead = (pids: ReadonlyArray<number>) =>
  Effect.map(alive(pids), (living) => assert.deepStrictEqual(living, [], `of ${pids.join(", ")} these live`))

/** Waits until none of the pids lives. */
export const areSoonDead = (pids: ReadonlyArray<number>) =>
  eventually(
    `${pids.join(", ")} are dead`,
    Effect.map(alive(pids), (living) => living.length === 0)
  )

/** Reads until a line is complete, and gives what it says; the rest may still come. */
export const firstLine = (handle: ChildProcessSpawner.ChildProcessHandle) =>
  Effect.map(
    handle.stdout.pipe(Stream.decodeText, Stream.splitLines, Stream.take(1), Stream.runCollect),
    ([line]) => line ?? assert.fail("the output ended before its first line")
  )
