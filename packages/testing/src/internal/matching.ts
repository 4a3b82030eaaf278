/**
 * Whether a command is meant by a matcher, and how both are shown to people.
 */
import * as Option from "effect/Option"
import * as CommandLine from "effect/process/CommandLine"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Command } from "effect-exec/Command"
import type { Matcher } from "../Matcher.ts"

/** The words of a command as one would type them. */
export const show = (argv: ReadonlyArray<string>): string =>
  argv.map((word) => Result.getOrElse(CommandLine.quote(word), () => JSON.stringify(word))).join(" ")

/** What a matcher makes of a command that it means: its `argv`, decoded where the matcher is a schema. */
export const match = <A>(matcher: Matcher<A>, command: Command): Option.Option<A> => {
  const { argv } = command
  if (Schema.isSchema(matcher)) {
    return Schema.decodeUnknownOption(matcher as Schema.ConstraintDecoder<A>)(argv)
  }
  return isMeant(matcher as Plain, argv, command) ? Option.some(argv as A) : Option.none()
}

type Plain = Exclude<Matcher<never>, Schema.ConstraintDecoder<never>>

const isMeant = (matcher: Plain, argv: Command["argv"], command: Command): boolean => {
  switch (typeof matcher) {
    case "string":
      return argv[0] === matcher
    case "function":
      return matcher(command)
    default:
      return argv.length === matcher.length && argv.every((word, index) => word === matcher[index])
  }
}
