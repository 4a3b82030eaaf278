/**
 * The output of one process, as it arrives.
 */
import type { ExecError } from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import * as Frame from "../Frame.ts"
import { Inbox } from "../Inbox.ts"
import type { Session } from "./session.ts"

/** The output that a frame carries. */
export const toEvent = ({ bytes, kind, offset }: Frame.Frame): ExecEvent => ({
  _tag: kind === Frame.kinds.stdout ? "Stdout" : "Stderr",
  offset,
  bytes
})

/** The events of a channel; only bytes cost credit. */
export const makeInbox = <E = never>(session: Session, channel: () => number): Inbox<ExecEvent, ExecError | E> =>
  new Inbox(
    session.budget,
    (event) => ("bytes" in event ? event.bytes.length : 0),
    (bytes) => session.grant(channel(), bytes)
  )
