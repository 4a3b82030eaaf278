/** `effect-exec serve`: a capsule server, until it is told to end. */
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../flags.ts"

export const serve = Verb.make("serve", Flags.serving, (flags) =>
  // Large, and needed by nobody else.
  Effect.flatMap(
    Effect.promise(() => import("../serve.ts")),
    ({ serve }) => serve(flags)
  )
).pipe(
  Verb.withShortDescription("Serve a place to others, and own what they detach"),
  Verb.withDescription(
    "Serve a place as a capsule server, until Ctrl-C: whoever shows its token runs commands there, and detaches them. Without --token-file a new token is made for this time; what to type in another terminal is printed."
  ),
  Verb.withExamples([
    { command: "effect-exec serve", description: "This machine, to this machine" },
    { command: "effect-exec serve --on docker:alpine --port 7001", description: "One container for all" },
    {
      command: "effect-exec serve --template py=docker:python:3.13-slim --template here=local",
      description: "Capsules of their own, which clients make by effect-exec capsule create"
    },
    { command: "effect-exec serve --host 0.0.0.0 --token-file /run/secrets/token", description: "To other machines" }
  ])
)
