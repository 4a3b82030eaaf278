/** `effect-exec wait`: for the end of a detached process. */
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"
import * as Json from "../json.ts"
import * as Owned from "./owned.ts"

export const wait = Verb.make(
  "wait",
  { ...Flags.where, timeout: Flags.patience, json: Flags.json, process: Flags.process },
  ({ process, timeout, ...flags }) =>
    Owned.at(flags, (exec) =>
      Effect.gen(function* () {
        const child = yield* exec.get(process)
        const end = yield* child.wait({ timeout: Option.getOrUndefined(timeout) })
        yield* flags.json ? Follow.print([Json.ofEnd(end)]) : Follow.explain(end, {})
        yield* Follow.conclude(end)
      })
    )
).pipe(
  Verb.withShortDescription("Wait for the end of a process"),
  Verb.withDescription("Wait for the end of a process. Its exit code is this one's, also long after it ended."),
  Verb.withExamples([
    { command: "effect-exec wait build && effect-exec logs build", description: "Go on when it succeeded" },
    { command: "effect-exec wait --timeout 1m build", description: "For a minute; then with exit code 124" }
  ])
)
