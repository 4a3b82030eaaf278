/**
 * What one observes of a running process, in order.
 *
 * `Started` comes first and `Exited` last, each exactly once; a stream that ends without `Exited` fails. Offsets are
 * absolute and shared by both streams: 0 is the first byte that the process ever wrote.
 */
import * as Schema from "effect/Schema"
import { ExitStatus } from "./ExitStatus.ts"
import { ProcessId } from "./ProcessId.ts"

const Offset = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

/** Who ended a process: itself, its `timeout`, its `maxOutput`, or a signal sent through `Exec`. */
export const EndedBy = Schema.Literals(["self", "timeout", "maxOutput", "signal"])
/** Who ended a process: itself, its `timeout`, its `maxOutput`, or a signal sent through `Exec`. */
export type EndedBy = typeof EndedBy.Type

/**
 * What one observes of a running process.
 *
 * - `Started`: it runs.
 * - `Stdout`, `Stderr`: bytes, in the order in which they were observed, from this offset on.
 * - `Gap`: the bytes from `from` up to `to` were evicted from the ring before they could be read.
 * - `Exited`: it ended. `incomplete` says that something outside its tree still held its output open, so that there
 *   may be more.
 */
export const ExecEvent = Schema.TaggedUnion({
  Started: { id: ProcessId, pid: Schema.Int },
  Stdout: { offset: Offset, bytes: Schema.Uint8Array },
  Stderr: { offset: Offset, bytes: Schema.Uint8Array },
  Gap: { from: Offset, to: Offset },
  Exited: { status: ExitStatus, duration: Schema.Duration, endedBy: EndedBy, incomplete: Schema.Boolean }
})
/** What one observes of a running process. */
export type ExecEvent = typeof ExecEvent.Type

/** It runs. */
export type Started = Extract<ExecEvent, { _tag: "Started" }>
/** Bytes from its standard output. */
export type Stdout = Extract<ExecEvent, { _tag: "Stdout" }>
/** Bytes from its standard error. */
export type Stderr = Extract<ExecEvent, { _tag: "Stderr" }>
/** Bytes that were evicted before they could be read. */
export type Gap = Extract<ExecEvent, { _tag: "Gap" }>
/** It ended. */
export type Exited = Extract<ExecEvent, { _tag: "Exited" }>

/** Takes an event apart, every case named. */
export const match = ExecEvent.match
