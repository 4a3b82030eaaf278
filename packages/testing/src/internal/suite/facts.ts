/**
 * Waiting for facts: never for time alone, and never forever.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import type { ExecEvent, Exited } from "effect-exec/ExecEvent"
import { concat } from "../bytes.ts"
import { decode } from "../web.ts"

/** Asks again and again until it is true; fails when that takes longer than any machine needs. */
export const eventually = <E, R>(
  what: string | (() => string),
  fact: Effect.Effect<boolean, E, R>,
  within: Duration.Input = "10 seconds"
): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    const end = (yield* Clock.currentTimeMillis) + Duration.toMillis(within)
    while (!(yield* fact)) {
      if ((yield* Clock.currentTimeMillis) > end) assert.fail(`never: ${typeof what === "string" ? what : what()}`)
      yield* Effect.sleep(5)
    }
  })

/** What was seen of a process so far. */
export interface Transcript {
  readonly events: ReadonlyArray<ExecEvent>
  readonly stdoutBytes: () => Uint8Array
  readonly stderrBytes: () => Uint8Array
  readonly stdout: () => string
  readonly stderr: () => string
  /** The pids announced by `PID n`. */
  readonly pids: () => ReadonlyArray<number>
  /** Waits until the text is in stdout. */
  readonly sees: (text: string) => Effect.Effect<void, unknown>
  /** Waits until this many processes have announced themselves. */
  readonly seesMembers: (count: number) => Effect.Effect<ReadonlyArray<number>, unknown>
  /** Waits until there are this many bytes, both streams together. */
  readonly seesBytes: (count: number) => Effect.Effect<void, unknown>
  /** Waits for the end, and fails as the stream does. */
  readonly ended: Effect.Effect<Exited, unknown>
}

const bytesOf = (events: ReadonlyArray<ExecEvent>, tag: "Stdout" | "Stderr"): Uint8Array =>
  concat(events.flatMap((event) => (event._tag === tag ? [(event as { bytes: Uint8Array }).bytes] : [])))

/** Reads the events in the background. */
export const follow = <E, R>(
  events: Stream.Stream<ExecEvent, E, R>
): Effect.Effect<Transcript, never, R | Scope.Scope> =>
  Effect.gen(function* () {
    const seen: Array<ExecEvent> = []
    let bytes = 0
    const reading = yield* events.pipe(
      Stream.runForEach((event) =>
        Effect.sync(() => {
          seen.push(event)
          if (event._tag === "Stdout" || event._tag === "Stderr") bytes += event.bytes.length
        })
      ),
      Effect.forkScoped
    )
    const stdoutBytes = () => bytesOf(seen, "Stdout")
    const stderrBytes = () => bytesOf(seen, "Stderr")
    const stdout = () => decode(stdoutBytes())
    const pids = () => Array.from(stdout().matchAll(/PID (\d+)\n/g), ([, pid]) => Number(pid))
    // Once the stream has ended, what is missing will never come: say so at once, with what was there.
    const until = (what: string, fact: () => boolean) =>
      eventually(
        () => `${what}; seen: ${JSON.stringify(stdout().slice(-200))}`,
        Effect.suspend(() => {
          if (fact()) return Effect.succeed(true)
          const end = reading.pollUnsafe()
          if (end === undefined) return Effect.succeed(false)
          return Effect.andThen(
            end,
            Effect.sync(() => assert.fail(`the end came before ${what}; seen: ${JSON.stringify(stdout().slice(-200))}`))
          )
        })
      )
    return {
      events: seen,
      stdoutBytes,
      stderrBytes,
      stdout,
      stderr: () => decode(stderrBytes()),
      pids,
      sees: (text) => until(JSON.stringify(text), () => stdout().includes(text)),
      seesMembers: (count) =>
        Effect.map(
          until(`${count} processes`, () => pids().length >= count),
          pids
        ),
      seesBytes: (count) => until(`${count} bytes`, () => bytes >= count),
      ended: Effect.gen(function* () {
        yield* eventually(
          "the end",
          Effect.sync(() => reading.pollUnsafe() !== undefined)
        )
        yield* reading.pollUnsafe()!
        const last = seen.at(-1)
        return last?._tag === "Exited" ? last : assert.fail(`the last event is ${last?._tag}`)
      })
    }
  })

/** Reads what is left up to the end, here and now. */
export const collect = <E, R>(events: Stream.Stream<ExecEvent, E, R>): Effect.Effect<ReadonlyArray<ExecEvent>, E, R> =>
  Stream.runCollect(events)

/** Asserts that bytes are the same, and says where they differ first. */
export const sameBytes = (actual: Uint8Array, expected: Uint8Array, what: string): void => {
  const length = Math.min(actual.length, expected.length)
  for (let i = 0; i < length; i++) {
    if (actual[i] !== expected[i]) assert.fail(`${what}: byte ${i} is ${actual[i]}, expected ${expected[i]}`)
  }
  assert.strictEqual(actual.length, expected.length, `${what}: its length`)
}

/** The output of one stream that these events carry. */
export const outputOf = bytesOf

/** What `numbers` writes. */
export const numberLines = (from: number, to: number): string => {
  const lines: Array<string> = []
  for (let n = from; n <= to; n++) lines.push(`${n}\n`)
  return lines.join("")
}
