/** `effect-exec cp`: files and directories between here and a place. */
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
    source: Argument.String("source").pipe(Argument.withDescription("A file or directory; :PATH there, - for stdin")),
    target: Argument.String("target").pipe(Argument.withDescription("Where it goes; :PATH there, - for stdout"))
  },
  ({ json, source, target, ...where }) =>
    Effect.flatMap(
      Effect.promise(() => import("../copy.ts")),
      ({ copy }) => Follow.report(json, copy(where, source, target))
    )
).pipe(
  Verb.withShortDescription("Copy files to a place, or from it"),
  Verb.withDescription(
    "Copy a file or a directory to a place that lasts, or from it: the path that begins with a colon is there. One that is relative starts where commands do; one that ends with a slash is a directory."
  ),
  Verb.withExamples([
    { command: "effect-exec cp main.py :", description: "To where commands start" },
    { command: "effect-exec cp --on container:web :/etc/nginx .", description: "And from there, a directory" },
    { command: "effect-exec cp :app.log - | less", description: "To standard output" }
  ])
)
