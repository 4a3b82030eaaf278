/** `effect-exec cp`: files between here and a capsule. */
import * as Argument from "effect/cli/Argument"
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"

export const cp = Verb.make(
  "cp",
  {
    ...Flags.where,
    json: Flags.json,
    source: Argument.String("source").pipe(Argument.withDescription("The file; :PATH in the capsule, - for stdin")),
    target: Argument.String("target").pipe(
      Argument.withDescription("Where it goes; :PATH in the capsule, - for stdout")
    )
  },
  ({ json, source, target, ...where }) =>
    Effect.flatMap(
      Effect.promise(() => import("../copy.ts")),
      ({ copy }) => Follow.report(json, copy(where, source, target))
    )
).pipe(
  Verb.withShortDescription("Copy a file to a capsule, or from it"),
  Verb.withDescription(
    "Copy a file to a capsule, or from it: the path that begins with a colon is there. A path that is relative starts where commands do, and one that ends with a slash is a directory."
  ),
  Verb.withExamples([
    { command: "effect-exec cp main.py :", description: "To where commands start" },
    { command: "effect-exec cp :out/result.csv .", description: "And back" },
    { command: "effect-exec cp :app.log - | less", description: "To standard output" }
  ])
)
