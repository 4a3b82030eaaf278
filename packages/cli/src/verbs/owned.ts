/**
 * What the verbs for processes that live on have in common.
 */
import * as Effect from "effect/Effect"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import type { BrokenPipe, Ended, Failure } from "../failure.ts"
import * as Follow from "../follow.ts"
import * as Place from "../place.ts"
import { Progress } from "../progress.ts"

/** Uses the place that owns them; what could not be done is a line of JSON where that is wanted. */
export const at = <A, E>(
  flags: Place.Where & { readonly json: boolean },
  use: (exec: Exec.Exec["Service"]) => Effect.Effect<A, E>
): Effect.Effect<A, E | BrokenPipe | Ended | ExecError | Failure> =>
  Effect.gen(function* () {
    const { layer, name } = yield* Place.owner(flags)
    const progress = yield* Progress
    const work = Effect.gen(function* () {
      const exec = yield* Exec.Exec
      // Connects, while nothing else is to be seen.
      yield* exec.capabilities.pipe(progress.during(`waiting for ${name}`))
      return yield* use(exec)
    }).pipe(Effect.provide(layer))
    return yield* Follow.report(flags.json, work)
  })
