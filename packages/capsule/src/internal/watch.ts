/**
 * The events of one detached process.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as ExecError from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import type { EventsOptions } from "effect-exec/Process"
import type { ProcessId } from "effect-exec/ProcessId"
import { initialCredit } from "../Inbox.ts"
import { unexpected } from "./call.ts"
import { makeInbox, toEvent } from "./output.ts"
import type { Session } from "./session.ts"

/** Replays from an offset, then follows live. Ending it ends the watching. */
export const watch = (
  session: Session,
  process: ProcessId,
  { from = 0, lag = "skip" }: EventsOptions
): Stream.Stream<ExecEvent, ExecError.ExecError> => {
  if (!Number.isSafeInteger(from) || from < 0) return Stream.fail(notAnOffset)
  const acquired = Effect.acquireRelease(
    Effect.sync(() => {
      const inbox = makeInbox(session, () => channel)
      const channel: number = session.open({
        frame: (frame) => inbox.add(toEvent(frame)),
        message: (message) => {
          switch (message._tag) {
            case "Started":
              inbox.add({ _tag: "Started", id: message.id, pid: message.pid })
              return false
            case "Gap":
              inbox.add({ _tag: "Gap", from: message.from, to: message.to })
              return false
            case "Exited": {
              const { channel: _, ...event } = message
              inbox.add(event)
              inbox.finish(Cause.done())
              return true
            }
            case "Failed":
              if (message.error === undefined) return unexpected(message)
              inbox.finish(Effect.fail(message.error))
              return true
            default:
              return unexpected(message)
          }
        },
        lose: (error) => inbox.finish(Effect.fail(error))
      })
      session.say({ _tag: "Watch", channel, process, from, lag, credit: initialCredit })
      return { channel, inbox }
    }),
    ({ channel, inbox }) =>
      Effect.sync(() => {
        if (inbox.hasFinished) return
        inbox.drop(Cause.done())
        session.forget(channel)
        session.say({ _tag: "Release", channel })
      })
  )
  return Stream.unwrap(Effect.map(acquired, ({ inbox }) => Stream.fromPull(Effect.succeed(inbox.pull))))
}

const notAnOffset = ExecError.make(
  new ExecError.InvalidCommand({ field: "from", problem: "an offset is a whole number of bytes from 0 on" })
)
