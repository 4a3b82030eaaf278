/** `effect-exec stream`: as long as it likes. */
import * as Verb from "effect/cli/Command"
import { flow } from "effect/Function"
import * as Follow from "../follow.ts"
import * as Running from "./running.ts"

export const stream = Running.make("stream", "unbounded", flow(Follow.showJson, Follow.toEnd)).pipe(
  Verb.withShortDescription("Run a command without limits, and watch it"),
  Verb.withDescription(
    "Run a command that may run, and write, as long as it likes. Its output passes through as it comes; while nobody reads that, the command waits. Going away (Ctrl-C, | head) ends it and all that it started."
  ),
  Verb.withExamples([
    { command: "effect-exec stream -- tail -f app.log | grep error", description: "Watch" },
    { command: "effect-exec stream --timeout 1h --stdin - -- sort <big.txt >sorted.txt", description: "Filter" },
    {
      command: "effect-exec stream --json -- make | jq -r 'select(.type == \"stderr\").text'",
      description: "For programs: one JSON event a line"
    }
  ])
)
