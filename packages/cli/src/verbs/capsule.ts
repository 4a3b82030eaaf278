/** `effect-exec capsule`: the capsules of a server that has templates. */
import * as Argument from "effect/cli/Argument"
import * as Verb from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../flags.ts"

const capsules = Effect.promise(() => import("../capsules.ts"))

const id = Flag.String("id").pipe(
  Flag.withMetavar("ID"),
  Flag.withDescription("An id of yours; one that exists already is taken as it is"),
  Flag.optional
)
const template = Argument.String("template").pipe(Argument.withDescription("One of the server's templates"))
const common = { ...Flags.where, json: Flags.json }

const create = Verb.make("create", { ...common, id, template }, ({ id, template, ...flags }) =>
  Effect.flatMap(capsules, ({ create }) => create(flags, template, Option.getOrUndefined(id)))
).pipe(
  Verb.withDescription("Make a capsule, and print how it is named for --on. It ends when nobody uses it any more."),
  Verb.withExamples([
    {
      command: "export EFFECT_EXEC_ON=$(effect-exec capsule create --on capsule:127.0.0.1:7777 py)",
      description: "For all commands that follow"
    }
  ])
)

const list = Verb.make("ls", common, (flags) => Effect.flatMap(capsules, ({ list }) => list(flags))).pipe(
  Verb.withDescription("List the capsules of a server.")
)

const remove = Verb.make(
  "rm",
  { ...common, id: Argument.String("id").pipe(Argument.withDescription("Its id")) },
  ({ id, ...flags }) => Effect.flatMap(capsules, ({ remove }) => remove(flags, id))
).pipe(Verb.withDescription("End a capsule, and everything in it."))

export const capsule = Verb.make("capsule").pipe(
  Verb.withShortDescription("Make, list and end the capsules of a server"),
  Verb.withDescription("Make, list and end the capsules of a server that has templates."),
  Verb.withSubcommands([create, list, remove])
)
