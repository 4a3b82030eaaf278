/**
 * Outputs that are not the caller's to read: thrown away, or copied to where this program's own output goes.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as deadline from "../deadline.ts"
import { badArgument } from "./failure.ts"
import type { Plan } from "./plan.ts"

const needsStdio = badArgument(
  "spawn",
  '"inherit" copies from and to the Stdio service, and there is none; provide one (NodeStdio.layer), or use "pipe"'
)

/** The caller's `Stdio`, where the plan needs it: a process elsewhere has no part in this program's own streams. */
export const stdioOf = ({ stderr, stdin, stdout }: Plan): Effect.Effect<Stdio.Stdio | undefined, PlatformError> =>
  [stdin.stream, stdout, stderr].includes("inherit")
    ? Effect.flatMap(Effect.serviceOption(Stdio.Stdio), (found) =>
        Option.isSome(found) ? Effect.succeed(found.value) : Effect.fail(needsStdio)
      )
    : Effect.undefined

/** Reads it in the background, and gives it to the sink as long as that takes it. */
export const copy = (
  output: Stream.Stream<Uint8Array, PlatformError>,
  to: ReturnType<Stdio.Stdio["stdout"]> | undefined
): Effect.Effect<Fiber.Fiber<void>, never, Scope.Scope> => {
  const copied = to === undefined ? Effect.void : Effect.ignoreCause(Stream.run(output, to))
  return copied.pipe(
    // What nobody takes would stop the process.
    Effect.andThen(Effect.ignore(Stream.runDrain(output))),
    Effect.forkScoped
  )
}

// Longer than bytes take that were written before the exit; somebody else may hold the output open for ever.
const lastWords = Duration.millis(200)

/** Waits until all of them have reached their end, though not for long. */
export const settled = (copies: ReadonlyArray<Fiber.Fiber<void>>): Effect.Effect<void> =>
  copies.length === 0 ? Effect.void : Effect.asVoid(deadline.within(Fiber.awaitAll(copies), lastWords))
