/**
 * What ends this program otherwise than by having done its work.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** It was used or set up wrongly, or cannot read or write. The message says what to do about it. */
export class Failure extends Data.TaggedError("Failure")<{ readonly message: string }> {}

/** Nobody reads its output any more. */
export class BrokenPipe extends Data.TaggedError("BrokenPipe") {}

/** It did its work, and ends with another exit code than 0. */
export class Ended extends Data.TaggedError("Ended")<{
  readonly exitCode: number
  /** The signal that ended the process. */
  readonly signal?: string | undefined
}> {}

/** Fails, with what is wrong and how to mend it. */
export const refuse = (message: string): Effect.Effect<never, Failure> => Effect.fail(new Failure({ message }))
