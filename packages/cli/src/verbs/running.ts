/**
 * What the verbs that run a command have in common.
 */
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { flow } from "effect/Function"
import type { ExecError } from "effect-exec/ExecError"
import { execute } from "../execute.ts"
import type { BrokenPipe, Failure } from "../failure.ts"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"
import * as Request from "../request.ts"

/** A verb that runs a command within bounds, or without; `json` follows it where JSON is wanted. */
export const make = <const Name extends string>(
  name: Name,
  bounds: Request.Bounds,
  json: (events: Follow.Events<Failure>) => Effect.Effect<Follow.End, BrokenPipe | ExecError | Failure>
) =>
  Verb.make(name, Flags.running, (flags) =>
    Effect.gen(function* () {
      const request = yield* Request.make(flags, bounds)
      const follow = flags.json ? json : flow(Follow.show<Failure>, Follow.toEnd)
      const end = yield* Follow.report(flags.json, execute(request, follow))
      if (!flags.json) yield* Follow.explain(end, request.options)
      yield* Follow.conclude(end)
    })
  )
