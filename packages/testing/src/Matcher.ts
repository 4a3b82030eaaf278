/**
 * Which commands are meant: by `TestExec` where it expects them, by `FaultyExec` where it breaks them.
 *
 * - `"git"`: every call of that program.
 * - `["git", "status"]`: just these words.
 * - `({ argv, cwd }) => …`: what the function says of the whole command.
 * - a Schema: every `argv` that it decodes, such as `Schema.Tuple([Schema.Literal("seq"), Schema.NumberFromString])`;
 *   what it decodes to is given to whoever answers.
 */
import type * as Schema from "effect/Schema"
import type { Command } from "effect-exec/Command"

/** Which commands are meant, and what of their `argv` is made. */
export type Matcher<A = Command["argv"]> =
  | string
  | readonly [program: string, ...args: ReadonlyArray<string>]
  | ((command: Command) => boolean)
  | Schema.ConstraintDecoder<A>
