/** `effect-exec detach`: starts a command that lives on. */
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DetachedProcess } from "effect-exec/Process"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"
import * as Json from "../json.ts"
import * as Request from "../request.ts"
import * as Settings from "../settings.ts"
import { note, write } from "../standardStreams.ts"
import * as Terminal from "../terminal.ts"
import * as Owned from "./owned.ts"

const announce = (child: DetachedProcess, json: boolean) =>
  json
    ? Follow.print([Json.ofProcess(child)])
    : Effect.andThen(
        write("stdout", `${child.id}\n`),
        // The id is for programs; people know it by its tag.
        process.stderr.isTTY ? note(`${child.tag} runs with pid ${child.pid}`) : Effect.void
      )

// One that ends without having read it all has had what it wanted.
const feed = (child: DetachedProcess) =>
  Stream.runForEach(Terminal.input, (bytes) => child.write(bytes)).pipe(
    Effect.andThen(child.closeStdin),
    Effect.catchReason("ExecError", "ProcessExited", () => Effect.void)
  )

export const detach = Verb.make("detach", Flags.detaching, (flags) =>
  Effect.gen(function* () {
    const stdin = Option.getOrUndefined(flags.stdin)
    const command = yield* Request.command(flags)
    const { grace } = yield* Settings.load
    const options = {
      timeout: Option.getOrUndefined(flags.timeout),
      grace: Option.getOrElse(flags.grace, () => grace),
      maxOutput: Option.getOrUndefined(flags.maxOutput),
      tag: Option.getOrUndefined(flags.tag),
      ring: Option.getOrUndefined(flags.ring),
      stdin: flags.tty || stdin !== undefined ? ("open" as const) : undefined
    }
    yield* Owned.at(flags, (exec) =>
      Effect.gen(function* () {
        const child = yield* exec.detach(command, options)
        yield* announce(child, flags.json)
        if (stdin === "-") yield* feed(child)
      })
    )
  })
).pipe(
  Verb.withShortDescription("Start a command that lives on when you go"),
  Verb.withDescription(
    "Start a command on a capsule server, where it lives on when this program goes. Prints its id. What it writes last is kept for logs and attach."
  ),
  Verb.withExamples([
    { command: "effect-exec detach --tag web -- python3 -m http.server", description: "A server, by a name of yours" },
    { command: "effect-exec detach --tag shell --tty -- bash", description: "A terminal to come back to, by attach" },
    { command: "effect-exec wait $(effect-exec detach -- make)", description: "Later, from anywhere" }
  ])
)
