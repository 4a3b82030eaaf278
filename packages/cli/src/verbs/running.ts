/**
 * What the verbs that run a command have in common.
 */
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import type { ExecError } from "effect-exec/ExecError"
import type { Process } from "effect-exec/Process"
import { execute } from "../execute.ts"
import type { BrokenPipe, Failure } from "../failure.ts"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"
import * as Request from "../request.ts"

/** A verb that runs a command within bounds, or without; `json` follows it where JSON is wanted. */
export const make = <const Name extends string>(
  name: Name,
  bounds: Request.Bounds,
  json: (child: Process<Failure>) => Effect.Effect<Follow.End, BrokenPipe | ExecError | Failure>
) =>
  Verb.make(name, Flags.running, (flags) =>
    Effect.gen(function* () {
      const request = yield* Request.make(flags, bounds)
      if (flags.json) return yield* Effect.flatMap(Follow.jsonErrors(execute(request, json)), Follow.conclude)
      const end = yield* execute(request, Follow.passThrough)
      yield* Follow.explain(end, request.options)
      yield* Follow.conclude(end)
    })
  )
