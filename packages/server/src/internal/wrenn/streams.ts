/**
 * Commands that are followed: `exec/stream`, and `processes/{pid or tag}/stream`.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as WrennWire from "@effect-exec/capsule/WrennWire"
import type { ExecError } from "effect-exec/ExecError"
import type { Limits } from "../../Limits.ts"
import type { Capsule } from "../capsule.ts"
import { newTag, toCommand } from "./commands.ts"
import { follow, readOn } from "./follow.ts"
import { type Frames, parse } from "./sockets.ts"

/** A conversation over a socket was wrong. */
export class WrongFrame extends Schema.TaggedError<WrongFrame>()("WrongFrame", { problem: Schema.String }) {}

const decodeStart = Schema.decodeUnknownOption(WrennWire.Start)

/** The first frame, in time. */
export const first = (frames: Frames, limits: Limits, meant: string) =>
  Effect.timeoutOrElse(frames.next, {
    duration: limits.greeting,
    orElse: () => Effect.fail(new WrongFrame({ problem: `${meant} did not come` }))
  })

// Until the client has it stopped, or goes.
const stopped = (frames: Frames): Effect.Effect<"stopped" | "gone"> =>
  Effect.flatMap(frames.next, (frame) => {
    if (frame === undefined) return Effect.succeed("gone")
    const message = parse(frame) as { readonly type?: unknown } | null | undefined
    return message?.type === "stop" ? Effect.succeed("stopped") : stopped(frames)
  })

/**
 * Starts a command and tells what it does. `stop` ends it; whoever just goes leaves it running, to be found by its pid.
 * While he does not read, it waits.
 */
export const start = Effect.fnUntraced(function* (
  frames: Frames,
  { exec }: Capsule,
  limits: Limits
): Effect.fn.Return<void, ExecError | WrongFrame> {
  const frame = yield* first(frames, limits, "the message of type 'start'")
  if (frame === undefined) return
  const message = decodeStart(parse(frame))
  if (Option.isNone(message)) {
    return yield* new WrongFrame({ problem: "first message must be type 'start' with a 'cmd' field" })
  }
  const { lingering = "leave" } = message.value
  const options = { tag: yield* newTag("proc"), lingering, overflow: "block" } as const
  const process = yield* exec.detach(toCommand(message.value), options)
  const told = Effect.as(
    follow(frames, process, "block", lingering === "kill" || lingering === "await"),
    "told" as const
  )
  const end = yield* Effect.raceFirst(told, stopped(frames)).pipe(
    Effect.onInterrupt(() => Effect.asVoid(Effect.forkDetach(readOn(process))))
  )
  if (end === "gone") yield* readOn(process)
  if (end === "stopped") {
    yield* frames.close
    yield* Effect.raceFirst(Effect.ignore(process.kill({ grace: "2 seconds" })), readOn(process))
  }
})

/** Tells what a process did and does. */
export const connect = Effect.fnUntraced(function* (
  frames: Frames,
  { exec }: Capsule,
  selector: string
): Effect.fn.Return<void, ExecError> {
  const process = yield* exec.get(selector)
  const gone: Effect.Effect<void> = Effect.flatMap(frames.next, (frame) => (frame === undefined ? Effect.void : gone))
  yield* Effect.raceFirst(follow(frames, process, "skip"), gone)
})
