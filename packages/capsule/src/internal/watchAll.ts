/**
 * The events of all detached processes.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import type { ProcessId } from "effect-exec/ProcessId"
import { Inbox, initialCredit } from "../Inbox.ts"
import { entryCost } from "../Wire.ts"
import { unexpected } from "./call.ts"
import type { Channel } from "./channel.ts"
import { toEvent } from "./output.ts"
import type { Session } from "./session.ts"

type Entry = readonly [ProcessId, ExecEvent]

// What is no output is counted too, or a consumer that does not read would be told of processes without end.
const costOf = ([, event]: Entry): number => ("bytes" in event ? event.bytes.length : entryCost)

/** Everything of those that run, as far as their rings hold it, and of all that start. Ending it ends the watching. */
export const watchAll = (session: Session): Stream.Stream<Entry, ExecError> => {
  const acquired = Effect.acquireRelease(
    Effect.sync(() => {
      const children = new Set<number>()
      const inbox: Inbox<Entry, ExecError> = new Inbox(session.budget, costOf, (bytes) => session.grant(channel, bytes))
      const child = (id: ProcessId): Channel => ({
        frame: (frame) => inbox.add([id, toEvent(frame)]),
        message: (message) => {
          if (message._tag === "Gap")
            return inbox.add([id, { _tag: "Gap", from: message.from, to: message.to }]) ?? false
          if (message._tag !== "Exited") return unexpected(message)
          const { channel: number, ...event } = message
          children.delete(number)
          return inbox.add([id, event]) ?? true
        },
        lose: () => {}
      })
      const channel: number = session.open({
        message: (message) => {
          if (message._tag === "Joined") {
            children.add(message.child)
            session.adopt(message.child, child(message.id))
            return inbox.add([message.id, { _tag: "Started", id: message.id, pid: message.pid }]) ?? false
          }
          if (message._tag !== "Failed" || message.error === undefined) return unexpected(message)
          inbox.finish(Effect.fail(message.error))
          return true
        },
        lose: (error) => inbox.finish(Effect.fail(error))
      })
      session.say({ _tag: "WatchAll", channel, credit: initialCredit })
      return { channel, children, inbox }
    }),
    ({ channel, children, inbox }) =>
      Effect.sync(() => {
        for (const child of children) session.forget(child)
        if (inbox.hasFinished) return
        inbox.drop(Cause.done())
        session.forget(channel)
        session.say({ _tag: "Release", channel })
      })
  )
  return Stream.unwrap(Effect.map(acquired, ({ inbox }) => Stream.fromPull(Effect.succeed(inbox.pull))))
}
