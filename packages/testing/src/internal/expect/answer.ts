/**
 * A reply as a program.
 */
import * as Effect from "effect/Effect"
import type { Reason } from "effect-exec/ExecError"
import * as ExitStatus from "effect-exec/ExitStatus"
import type { ProcessIO, Program } from "../../Program.ts"
import type { Reply, Step } from "../../Reply.ts"
import { concat } from "../bytes.ts"
import { streamOf } from "../machine/process.ts"
import { show } from "../matching.ts"
import { decode, encode } from "../web.ts"

/** What all of stdin has to be. */
export type ExpectedStdin = string | Uint8Array | ((text: string) => boolean)

/** A reply of what does start. */
export type Answer<A> = Exclude<Reply<A>, Reason>

/** The program that a reply amounts to. Where stdin is expected, all of it is read in the end, and compared. */
export const answer =
  <A>(reply: Answer<A>, value: A, stdin: ExpectedStdin | undefined): Program =>
  (io) => {
    const act = (io: ProcessIO) =>
      typeof reply === "function"
        ? reply(io, value)
        : typeof reply === "string"
          ? io.stdout(reply)
          : follow(io, Array.isArray(reply) ? reply : [reply as Step])
    if (stdin === undefined) return act(io)
    const parts: Array<Uint8Array> = []
    const read = Effect.tap(io.read, (bytes) =>
      Effect.sync(() => {
        if (bytes !== undefined) parts.push(bytes)
      })
    )
    const rest: Effect.Effect<void> = Effect.flatMap(read, (bytes) => (bytes === undefined ? Effect.void : rest))
    const checked = Effect.suspend(() => compare(io, stdin, concat(parts)))
    return Effect.tap(act({ ...io, read, stdin: streamOf(read) }), () => Effect.andThen(rest, checked))
  }

const follow = Effect.fnUntraced(function* (io: ProcessIO, steps: ReadonlyArray<Step>) {
  let read: Uint8Array = new Uint8Array()
  for (const { after, exitCode, signal, stderr, stdin, stdout } of steps) {
    if (after !== undefined) yield* Effect.sleep(after)
    if (stdin !== undefined) {
      const expected = toBytes(stdin)
      for (let more; read.length < expected.length; read = concat([read, more])) {
        more = yield* io.read
        if (more === undefined) break
      }
      yield* compare(io, stdin, read.subarray(0, expected.length))
      read = read.subarray(expected.length)
    }
    if (stdout !== undefined) yield* io.stdout(stdout)
    if (stderr !== undefined) yield* io.stderr(stderr)
    if (signal !== undefined) return ExitStatus.signaled(signal)
    if (exitCode !== undefined) return ExitStatus.exited(exitCode)
  }
  return ExitStatus.exited(0)
})

const toBytes = (data: string | Uint8Array): Uint8Array => (typeof data === "string" ? encode(data) : data)

const compare = (io: ProcessIO, expected: ExpectedStdin, actual: Uint8Array): Effect.Effect<void> => {
  const isExpected = typeof expected === "function" ? expected(decode(actual)) : areEqual(toBytes(expected), actual)
  if (isExpected) return Effect.void
  const wanted = typeof expected === "function" ? "something else" : quote(toBytes(expected))
  return Effect.die(new Error(`${show(io.argv)} was given ${quote(actual)} on stdin; expected was ${wanted}`))
}

const areEqual = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === b.length && a.every((byte, index) => byte === b[index])

// Enough to see what it is.
const quote = (bytes: Uint8Array): string => {
  const most = 500
  const text = JSON.stringify(decode(bytes.subarray(0, most)))
  return bytes.length > most ? `${text} … (${bytes.length} bytes)` : text
}
