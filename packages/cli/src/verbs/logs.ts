/** `effect-exec logs`: what a detached process wrote. */
import * as Verb from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ExecEvent } from "effect-exec/ExecEvent"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"
import * as Owned from "./owned.ts"

const follow = Flag.Boolean("follow").pipe(
  Flag.withAlias("f"),
  Flag.withDescription("Go on with what it writes, until it ends"),
  Flag.withDefault(false)
)

type Output = Extract<ExecEvent, { readonly bytes: Uint8Array }>

const isOutput = (event: ExecEvent): event is Output => event._tag === "Stdout" || event._tag === "Stderr"

/** As much as a ring held, from the first byte that it has on: it ends without waiting for anything that comes. */
const held = <E>(events: Follow.Events<E>, size: number): Follow.Events<E> =>
  Stream.suspend(() => {
    let end: number | undefined
    return Stream.takeUntil(events, (event) => {
      if (!isOutput(event)) return false
      end ??= event.offset + size
      return event.offset + event.bytes.length >= end
    })
  })

/** Without the output before an offset. */
const from = <E>(events: Follow.Events<E>, since: number): Follow.Events<E> =>
  Stream.flatMap(events, (event) => {
    if (!isOutput(event) || event.offset >= since) return Stream.succeed(event)
    const bytes = event.bytes.subarray(since - event.offset)
    return bytes.length === 0 ? Stream.empty : Stream.succeed({ ...event, offset: since, bytes })
  })

export const logs = Verb.make(
  "logs",
  { ...Flags.where, follow, since: Flags.since, json: Flags.json, process: Flags.process },
  ({ follow, process, since, ...flags }) =>
    Owned.at(flags, (exec) =>
      Effect.gen(function* () {
        const child = yield* exec.get(process)
        const goesOn = !follow && (yield* child.isRunning)
        const size = yield* child.bufferSize
        if (goesOn && size === 0) return
        const events = goesOn ? from(held(child.events(), size), since) : child.events({ from: since })
        yield* Stream.runDrain(flags.json ? Follow.showJson(events) : Follow.show(Follow.showGaps(events)))
      })
    )
).pipe(
  Verb.withShortDescription("Show what a process wrote"),
  Verb.withDescription(
    "Show what a process wrote, as far as it is still held, byte by byte: stdout to stdout, stderr to stderr."
  ),
  Verb.withExamples([
    { command: "effect-exec logs web", description: "What is held now" },
    { command: "effect-exec logs -f web", description: "And what comes, until it ends" },
    { command: "effect-exec logs --json --since 1048576 web", description: "From an offset on, for programs" }
  ])
)
