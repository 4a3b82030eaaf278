/**
 * From what the library says to what `--json` prints.
 */
import { isUtf8 } from "node:buffer"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import type { ExecError } from "effect-exec/ExecError"
import type { ExecEvent, Exited } from "effect-exec/ExecEvent"
import type { ExecResult } from "effect-exec/ExecResult"
import { toCode } from "effect-exec/ExitStatus"
import type { ProcessInfo } from "effect-exec/ProcessInfo"
import * as ExitCode from "./exitCode.ts"
import type { JsonEvent } from "./jsonEvent.ts"

/** The line of an event. */
export const line = (event: JsonEvent): string => `${JSON.stringify(event)}\n`

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)

// `{ text }` or `{ base64 }`, under the given names.
const content = <T extends string, B extends string>(bytes: Uint8Array, text: T, base64: B) =>
  (isUtf8(bytes) ? { [text]: buffer(bytes).toString() } : { [base64]: buffer(bytes).toString("base64") }) as {
    readonly [K in T | B]?: string
  }

const ended = (end: Omit<Exited, "_tag">) => ({
  exitCode: ExitCode.ofEnd(end),
  ...(end.status._tag === "Signaled" ? { signal: end.status.signal } : {}),
  ...(end.status._tag === "Signaled" && end.status.cause === "oom" ? { outOfMemory: true as const } : {}),
  endedBy: end.endedBy,
  durationMs: Number(Duration.toMillis(end.duration).toFixed(3)),
  incomplete: end.incomplete
})

/** All of a `run`. */
export const ofResult = (result: ExecResult): JsonEvent => ({
  type: "result",
  pid: result.pid,
  ...ended(result),
  truncated: result.truncated,
  ...content(result.stdoutBytes, "stdout", "stdoutBase64"),
  ...content(result.stderrBytes, "stderr", "stderrBase64")
})

/** How it ended. */
export const ofEnd = (end: Omit<Exited, "_tag">): JsonEvent => ({ type: "exited", ...ended(end) })

/** A process that lives on, or has. */
export const ofProcess = ({
  command,
  id,
  pid,
  startedAt,
  status,
  tag
}: Pick<ProcessInfo, "id" | "pid" | "tag" | "command"> & Partial<ProcessInfo>): JsonEvent => ({
  type: "process",
  id,
  pid,
  tag,
  argv: command.argv,
  ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
  ...(command.user === undefined ? {} : { user: command.user }),
  ...(command.tty === undefined ? {} : { tty: true as const }),
  ...(startedAt === undefined ? {} : { startedAt: DateTime.formatIso(startedAt) }),
  ...(status === undefined ? {} : { exitCode: toCode(status) }),
  ...(status?._tag === "Signaled" ? { signal: status.signal } : {})
})

/** A command that was not started, or not followed to its end. */
export const ofError = (error: ExecError): JsonEvent => ({
  type: "error",
  reason: error.reason._tag,
  message: error.message,
  exitCode: ExitCode.ofError(error),
  retryable: error.isRetryable
})

type Output = Extract<ExecEvent, { readonly bytes: Uint8Array }>

const ofOutput = ({ _tag, bytes, offset }: Output): JsonEvent => ({
  type: _tag === "Stdout" ? "stdout" : "stderr",
  offset,
  ...content(bytes, "text", "base64")
})

/** The lines of a process. A character may lie in two events: its first bytes wait here for the others. */
export class Events {
  private begun: Output | undefined

  /** The lines that an event makes. */
  of(event: ExecEvent): ReadonlyArray<JsonEvent> {
    switch (event._tag) {
      case "Stdout":
      case "Stderr":
        return this.output(event)
      case "Started":
        return [{ type: "started", id: event.id, pid: event.pid }]
      case "Gap":
        return [...this.rest(), { type: "gap", from: event.from, to: event.to }]
      case "Exited":
        return [...this.rest(), ofEnd(event)]
    }
  }

  /** What waited for more that will not come. */
  rest(): ReadonlyArray<JsonEvent> {
    const { begun } = this
    this.begun = undefined
    return begun === undefined ? [] : [ofOutput(begun)]
  }

  private output(output: Output): ReadonlyArray<JsonEvent> {
    const { begun } = this
    if (begun !== undefined && begun._tag === output._tag && begun.offset + begun.bytes.length === output.offset) {
      this.begun = undefined
      return this.output({ ...begun, bytes: Buffer.concat([begun.bytes, output.bytes]) })
    }
    const before = this.rest()
    const { bytes, offset } = output
    const whole = bytes.length - unfinished(bytes)
    const head = bytes.subarray(0, whole)
    if (whole === bytes.length || !isUtf8(head)) return [...before, ofOutput(output)]
    this.begun = { ...output, offset: offset + whole, bytes: bytes.slice(whole) }
    return whole === 0 ? before : [...before, ofOutput({ ...output, bytes: head })]
  }
}

/** How many bytes at the end begin a character that is not whole. */
const unfinished = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back]!
    if (byte < 0x80) return 0
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? back : 0
  }
  return 0
}
