/** `effect-exec attach`: comes back to a process that lives on. */
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { DetachedProcess } from "effect-exec/Process"
import type { Failure } from "../failure.ts"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"
import { note, write } from "../standardStreams.ts"
import * as Terminal from "../terminal.ts"
import * as Owned from "./owned.ts"

/** Ctrl-], which is nothing to most programs, as telnet and consoles have it. */
const leaveKey = 0x1d

// It may have ended, or take no input: then there is only to be watched.
const send = (child: DetachedProcess, bytes: Uint8Array): Effect.Effect<void, ExecError> =>
  child.write(bytes).pipe(
    Effect.catchReasons("ExecError", {
      ProcessExited: () => Effect.void,
      Unsupported: () => Effect.void
    })
  )

/** Types into it, until the key that leaves it. */
const type = (child: DetachedProcess): Effect.Effect<void, ExecError | Failure> =>
  Terminal.keys.pipe(
    Stream.takeUntil((bytes) => bytes.includes(leaveKey)),
    Stream.runForEach((bytes) => {
      const end = bytes.indexOf(leaveKey)
      const typed = end < 0 ? bytes : bytes.subarray(0, end)
      return typed.length === 0 ? Effect.void : send(child, typed)
    })
  )

const feed = (child: DetachedProcess): Effect.Effect<never, ExecError | Failure> =>
  Stream.runForEach(Terminal.input, (bytes) => send(child, bytes)).pipe(
    Effect.andThen(child.closeStdin),
    Effect.andThen(Effect.never)
  )

const left = (child: DetachedProcess) => note(`${child.tag} lives on; attach ${child.tag} comes back`)

// Beneath the `^C` that a terminal shows.
const nextLine = Effect.suspend(() => (process.stderr.isTTY ? Effect.ignore(write("stderr", "\n")) : Effect.void))

export const attach = Verb.make(
  "attach",
  { ...Flags.where, since: Flags.since, stdin: Flags.stdin, json: Flags.json, process: Flags.process },
  ({ process: selector, since, stdin, ...flags }) =>
    Owned.at(flags, (exec) =>
      Effect.gen(function* () {
        const child = yield* exec.get(selector)
        const isTyped = child.command.tty !== undefined && process.stdin.isTTY && !flags.json
        if (isTyped) {
          yield* Effect.ignore(child.resize(Terminal.size()))
          yield* Terminal.followSize(child)
          yield* note(`this is ${child.tag}; Ctrl-] leaves it`)
        }
        const events = child.events({ from: since })
        const end = yield* Effect.raceFirst(
          Follow.toEnd(flags.json ? Follow.showJson(events) : Follow.show(Follow.showGaps(events))),
          isTyped ? type(child) : stdin ? feed(child) : Effect.never
        ).pipe(Effect.onInterrupt(() => Effect.andThen(nextLine, left(child))))
        yield* end === undefined ? left(child) : Follow.conclude(end)
      }).pipe(Effect.scoped)
    )
).pipe(
  Verb.withShortDescription("Come back to a process"),
  Verb.withDescription(
    "Come back to a process: to what it wrote, as far as that is held, to what it writes, and by keys to its terminal, if it has one. Ctrl-] leaves that, and Ctrl-C one without a terminal; both leave it alive. Its exit code is this one's."
  ),
  Verb.withExamples([
    { command: "effect-exec attach shell", description: "A terminal that was detached; Ctrl-] leaves it again" },
    { command: "echo quit | effect-exec attach --stdin - repl", description: "Something to read, then the end of it" }
  ])
)
