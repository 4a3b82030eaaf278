/** `effect-exec run`: to the end, within limits. */
import * as Verb from "effect/cli/Command"
import * as Follow from "../follow.ts"
import * as Running from "./running.ts"

export const run = Running.make("run", "bounded", Follow.toJsonResult).pipe(
  Verb.withShortDescription("Run a command to its end, for 30 s and 10 MiB of output at most"),
  Verb.withDescription(
    "Run a command to its end. Its output passes through as it comes, its exit code is this one's, and Ctrl-C is its Ctrl-C. Where nothing else is said, it is ended after 30 s or past 10 MiB of output; with --tty there is no limit."
  ),
  Verb.withExamples([
    { command: "effect-exec run -- git status", description: "On this machine" },
    {
      command: "effect-exec run --on docker:python:3.13-slim -- python3 -c 'print(42)'",
      description: "In a container of its own, without network, gone afterwards"
    },
    { command: "effect-exec run --on container:web --tty -- sh", description: "A shell in a container that runs" },
    { command: "effect-exec run --timeout 5m --env TOKEN -- ./deploy.sh", description: "With a secret from here" },
    { command: "effect-exec run --json -- ls | jq -r .stdout", description: "For programs: one JSON object" }
  ])
)
