/**
 * Terminals: `pty`.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as WrennWire from "@effect-exec/capsule/WrennWire"
import type { Exec } from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import type { DetachedProcess } from "effect-exec/Process"
import type { Limits } from "../../Limits.ts"
import type { Capsule } from "../capsule.ts"
import { newTag, toCommand } from "./commands.ts"
import { exit } from "./follow.ts"
import { type Frames, parse } from "./sockets.ts"
import { first, WrongFrame } from "./streams.ts"

const pingEvery = Duration.seconds(30)

// Of input that the process has not read. More makes the client wait, and what he says after it.
const mostInput = 64

const decodeStart = Schema.decodeUnknownOption(WrennWire.PtyStart)
const decodeInput = Schema.decodeUnknownOption(WrennWire.PtyInput)

const open = Effect.fnUntraced(function* (
  frames: Frames,
  exec: Exec["Service"],
  limits: Limits
): Effect.fn.Return<DetachedProcess | undefined, ExecError | WrongFrame> {
  const frame = yield* first(frames, limits, "the message of type 'start' or 'connect'")
  if (frame === undefined) return undefined
  const decoded = decodeStart(parse(frame))
  if (Option.isNone(decoded)) {
    return yield* new WrongFrame({ problem: "first message must be type 'start' or 'connect'" })
  }
  const message = decoded.value
  if (message.type === "connect") return yield* exec.get(message.tag)
  const { cmd, cols, rows } = message
  const command = toCommand({ ...message, cmd: cmd === undefined || cmd === null || cmd === "" ? "/bin/bash" : cmd })
  const tag = yield* newTag("pty")
  const process = yield* exec.detach(
    { ...command, tty: { columns: cols || 80, rows: rows || 24 } },
    { tag, stdin: "open" }
  )
  yield* frames.say({ type: "started", tag, pid: process.pid })
  return process
})

/** Does what the client says, until he goes. */
const obey = Effect.fnUntraced(function* (
  frames: Frames,
  process: DetachedProcess
): Effect.fn.Return<void, never, Scope.Scope> {
  const input = yield* Queue.bounded<Uint8Array>(mostInput)
  // In a fiber of its own, so that a process that reads nothing can still be killed.
  yield* Effect.forkScoped(
    Effect.forever(Effect.flatMap(Queue.take(input), (bytes) => Effect.ignore(process.write(bytes))))
  )
  while (true) {
    const frame = yield* frames.next
    if (frame === undefined) return
    if (typeof frame !== "string") {
      yield* Queue.offer(input, frame)
      continue
    }
    const message = decodeInput(parse(frame))
    // Whatever else clients may say is none of our business.
    if (Option.isNone(message)) continue
    const said = message.value
    switch (said.type) {
      case "input":
        yield* Queue.offer(input, Buffer.from(said.data, "base64"))
        break
      case "resize":
        yield* Effect.ignore(process.resize({ columns: said.cols, rows: said.rows }))
        break
      case "kill":
        yield* Effect.ignore(process.kill({ signal: "SIGKILL" }))
    }
  }
})

const tell = (frames: Frames, process: DetachedProcess): Effect.Effect<void, ExecError> =>
  Stream.runForEach(process.events(), (event) => {
    switch (event._tag) {
      case "Stdout":
      case "Stderr":
        return frames.say({ type: "output", data: Buffer.from(event.bytes).toString("base64") })
      case "Gap":
        return frames.say({ type: "gap", from: event.from, to: event.to })
      case "Exited":
        return frames.say(exit(event))
      case "Started":
        return Effect.void
    }
  })

/** Opens a terminal, or one that is open, and speaks for it. It lives on without its client, and is found by its tag. */
export const terminal = Effect.fnUntraced(function* (
  frames: Frames,
  { exec }: Capsule,
  limits: Limits
): Effect.fn.Return<void, ExecError | WrongFrame> {
  const process = yield* open(frames, exec, limits)
  if (process === undefined) return
  const ping = Effect.forever(Effect.delay(frames.say({ type: "ping" }), pingEvery))
  const told = tell(frames, process)
  yield* Effect.scoped(Effect.raceAllFirst([told, ping, obey(frames, process)]))
})
