/**
 * A pull that waits for something else, too, and loses nothing by it.
 */
import type * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type { Output, Running } from "effect-exec/Backend"
import type { ExecError } from "effect-exec/ExecError"

/**
 * Pulls until the other effect ends first, and then ends as that does. Whatever was pulled is given first, also what
 * came in the very moment of an interruption. A pull that gave nothing is repeated.
 */
export const pullOr = (
  pull: Pull.Pull<ReadonlyArray<Output>, ExecError>,
  other: Pull.Pull<never, ExecError>
): Running["pull"] => {
  let held: ReadonlyArray<Output> = []
  const read = Effect.uninterruptibleMask((restore) =>
    Effect.map(restore(pull), (outputs) => {
      held = outputs
    })
  )
  const next: Running["pull"] = Effect.suspend(() => {
    if (held.length === 0) return Effect.andThen(Effect.raceFirst(other, read), next)
    const outputs = held as Arr.NonEmptyReadonlyArray<Output>
    held = []
    return Effect.succeed(outputs)
  })
  return next
}
