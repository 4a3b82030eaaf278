/**
 * What a process does, as events of the API.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { ExecEvent, Exited } from "effect-exec/ExecEvent"
import type { DetachedProcess } from "effect-exec/Process"
import type { ProcessEvent } from "@effect-exec/capsule/WrennWire"
import { exitCode } from "./commands.ts"
import type { Frames } from "./sockets.ts"

const none = Buffer.alloc(0)

// How many bytes at the end begin a character whose rest may still come: at most three.
const incomplete = (bytes: Buffer): number => {
  for (let length = 1; length <= 3 && length <= bytes.length; length++) {
    const byte = bytes[bytes.length - length]!
    if ((byte & 0xc0) === 0x80) continue
    const needed = byte > 0xf4 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1
    return needed > length ? length : 0
  }
  return 0
}

/** Output as text, in whole characters. */
class Text {
  private readonly type: "stdout" | "stderr"
  private held = none

  constructor(type: "stdout" | "stderr") {
    this.type = type
  }

  /** What to say of these bytes and of those that were held. */
  add(bytes: Uint8Array): ReadonlyArray<ProcessEvent> {
    const all =
      this.held.length === 0
        ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        : Buffer.concat([this.held, bytes])
    const tail = incomplete(all)
    // A copy: it outlives the rest.
    this.held = tail === 0 ? none : Buffer.from(all.subarray(all.length - tail))
    return this.tell(all.subarray(0, all.length - tail))
  }

  /** The same, of what will never be whole. */
  get rest(): ReadonlyArray<ProcessEvent> {
    const { held } = this
    this.held = none
    return this.tell(held)
  }

  private tell(bytes: Buffer): ReadonlyArray<ProcessEvent> {
    if (bytes.length === 0) return []
    const data = bytes.toString()
    const isExact = !data.includes("\uFFFD") || Buffer.from(data).equals(bytes)
    return [{ type: this.type, data, ...(isExact ? {} : { bytes: bytes.toString("base64") }) }]
  }
}

/** The end of a process. */
export const exit = ({ incomplete, status }: Exited, isTreeGone = false): ProcessEvent => ({
  type: "exit",
  exit_code: exitCode(status),
  ...(status._tag === "Signaled" ? { signal: status.signal } : {}),
  ...(isTreeGone && !incomplete ? { tree_gone: true } : {})
})

/** What to say of each event of a process. */
const makeTeller = (isTreeGone: boolean) => {
  const stdout = new Text("stdout")
  const stderr = new Text("stderr")
  return (event: ExecEvent): ReadonlyArray<ProcessEvent> => {
    switch (event._tag) {
      case "Started":
        return [{ type: "start", pid: event.pid }]
      case "Stdout":
        return stdout.add(event.bytes)
      case "Stderr":
        return stderr.add(event.bytes)
      case "Gap":
        return [...stdout.rest, ...stderr.rest, { type: "gap", from: event.from, to: event.to }]
      case "Exited":
        return [...stdout.rest, ...stderr.rest, exit(event, isTreeGone)]
    }
  }
}

/**
 * Says all that a process does to its end: what its ring holds, then what comes. `isTreeGone` where nothing is left of its
 * tree then.
 */
export const follow = (
  frames: Frames,
  process: DetachedProcess,
  lag: "skip" | "block",
  isTreeGone = false
): Effect.Effect<void, ExecError> =>
  Effect.suspend(() => {
    const tell = makeTeller(isTreeGone)
    return Stream.runForEach(process.events({ lag }), (event) =>
      Effect.forEach(tell(event), (message) => frames.say(message), { discard: true })
    )
  })

/** Reads on for somebody who has gone, so that the process need not wait for him; the last of it can still be replayed. */
export const readOn = (process: DetachedProcess): Effect.Effect<void> =>
  Effect.ignore(Stream.runDrain(process.events({ lag: "block" })))
