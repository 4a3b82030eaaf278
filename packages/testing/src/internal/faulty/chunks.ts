/**
 * The same bytes in other chunks.
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { Random } from "effect/Random"
import type { Output, Running } from "effect-exec/Backend"
import type { ExecError } from "effect-exec/ExecError"
import type { Chunks } from "../../FaultyExec.ts"
import { concat } from "../bytes.ts"

type End = Cause.Cause<ExecError | Cause.Done>

// What a pipe holds on Linux: more is never merged, so that nothing is read far ahead of the consumer.
const mostMerged = 65_536

/** What a process writes, in other chunks. */
export const rechunk = (running: Running, chunks: Chunks, random: Random): Running => {
  let held: Array<Output> = []
  let end: End | undefined
  // Output that was closed has to come to its end: nothing is held back any more.
  const hurry = Latch.makeUnsafe(false)

  // Only the waiting can be interrupted: what a pull gave is kept.
  const read = Effect.uninterruptibleMask((restore) =>
    Effect.matchCauseEffect(restore(running.pull), {
      onSuccess: (outputs) => {
        held.push(...outputs)
        return Effect.void
      },
      onFailure: (cause: End) => {
        if (Cause.hasInterrupts(cause)) return Effect.failCause(cause as Cause.Cause<never>)
        end = cause
        return Effect.void
      }
    })
  )

  const wait = (longest: Duration.Input): Effect.Effect<void> =>
    Effect.raceFirst(
      hurry.await,
      Effect.sleep(Duration.times(Duration.fromInputUnsafe(longest), random.nextDoubleUnsafe()))
    )

  const readMore: Effect.Effect<void> = Effect.suspend(() =>
    end !== undefined || sizeOf(held) >= mostMerged ? Effect.void : Effect.andThen(read, readMore)
  )
  const { delay, merge, split } = chunks
  const fill =
    merge === undefined
      ? read
      : read.pipe(
          Effect.andThen(Effect.suspend(() => Effect.raceFirst(wait(merge), readMore))),
          Effect.andThen(
            Effect.sync(() => {
              held = joined(held)
            })
          )
        )

  const take = Effect.sync((): readonly [Output] => {
    const { bytes, fd } = held[0]!
    const length = split === undefined ? bytes.length : draw(random, split)
    if (length >= bytes.length) {
      held.shift()
      return [{ fd, bytes }]
    }
    held[0] = { fd, bytes: bytes.subarray(length) }
    // A copy: it must not keep the whole of what it was cut from.
    return [{ fd, bytes: bytes.slice(0, length) }]
  })

  const pull: Running["pull"] = Effect.suspend(() => {
    if (held.length > 0) return delay === undefined ? take : Effect.andThen(wait(delay), take)
    return end === undefined ? Effect.andThen(fill, pull) : Effect.failCause(end)
  })
  return { ...running, pull, closeOutput: Effect.andThen(hurry.open, running.closeOutput) }
}

// As many digits as any: of a thousand bytes, single ones are as probable as hundreds.
const draw = (random: Random, most: number): number => Math.floor((most + 1) ** random.nextDoubleUnsafe())

const sizeOf = (outputs: ReadonlyArray<Output>): number => outputs.reduce((sum, { bytes }) => sum + bytes.length, 0)

// Neighbours of one stream as one.
const joined = (outputs: ReadonlyArray<Output>): Array<Output> => {
  const runs: Array<{ readonly fd: 1 | 2; readonly parts: Array<Uint8Array> }> = []
  for (const { bytes, fd } of outputs) {
    const last = runs.at(-1)
    if (last?.fd === fd) last.parts.push(bytes)
    else runs.push({ fd, parts: [bytes] })
  }
  return runs.map(({ fd, parts }) => ({ fd, bytes: concat(parts) }))
}
