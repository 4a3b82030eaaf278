/**
 * A channel that is one question and its answer.
 */
import * as Effect from "effect/Effect"
import type { ExecError } from "effect-exec/ExecError"
import type { ServerMessage, ClientMessage } from "../Wire.ts"
import type { Session } from "./session.ts"

/** What a message is that came where it has no meaning. */
export const unexpected = ({ _tag }: ServerMessage): string => `${_tag} where it has no meaning`

/**
 * Asks, and waits for the answer. `take` is given every message about it but a failure, and gives the answer once it is whole,
 * or `undefined` while it is not. Interrupting it has the server stop whatever it is doing for it.
 */
export const call = <A>(
  session: Session,
  ask: (channel: number) => ClientMessage,
  take: (message: ServerMessage) => A | undefined
): Effect.Effect<A, ExecError> =>
  Effect.callback((resume) => {
    const channel = session.open({
      message: (message) => {
        if (message._tag === "Failed" && message.error !== undefined) {
          resume(Effect.fail(message.error))
          return true
        }
        if (message._tag === "Released" || message._tag === "Failed") return unexpected(message)
        const answer = take(message)
        if (answer === undefined) return false
        resume(Effect.succeed(answer))
        return true
      },
      lose: (error) => resume(Effect.fail(error))
    })
    session.say(ask(channel))
    return Effect.sync(() => {
      session.forget(channel)
      session.say({ _tag: "Release", channel })
    })
  })
