/**
 * A channel that is one question whose answer has bytes.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type { ExecError } from "effect-exec/ExecError"
import { initialCredit } from "../Inbox.ts"
import type { ClientMessage, ServerMessage } from "../Wire.ts"
import { makeInbox, toEvent } from "./output.ts"
import type { Session } from "./session.ts"
import { web } from "./web.ts"

/** All bytes of one stream. */
class Gathered {
  private readonly parts: Array<Uint8Array> = []

  add(bytes: Uint8Array): void {
    this.parts.push(bytes)
  }

  get bytes(): Uint8Array {
    const whole = new Uint8Array(this.parts.reduce((length, part) => length + part.length, 0))
    let at = 0
    for (const part of this.parts) {
      whole.set(part, at)
      at += part.length
    }
    return whole
  }

  get text(): string {
    return new web.TextDecoder("utf-8").decode(this.bytes)
  }
}

/** The bytes of an answer. */
export interface Streams {
  readonly stdout: Gathered
  readonly stderr: Gathered
}

/** Asks, and waits for the whole answer, which is kept in memory. Interrupting it has the server stop. */
export const gather = <A>(
  session: Session,
  ask: (channel: number, credit: number) => ClientMessage,
  answer: (last: ServerMessage, streams: Streams) => A | undefined
): Effect.Effect<A, ExecError> =>
  Effect.suspend(() => {
    let last: ServerMessage | undefined
    const streams: Streams = { stdout: new Gathered(), stderr: new Gathered() }
    const inbox = makeInbox(session, () => channel)
    const channel: number = session.open({
      frame: (frame) => inbox.add(toEvent(frame)),
      message: (message) => {
        last = message
        inbox.finish(
          message._tag === "Failed" && message.error !== undefined ? Effect.fail(message.error) : Cause.done()
        )
        return true
      },
      lose: (error) => inbox.finish(Effect.fail(error))
    })
    session.say(ask(channel, initialCredit))
    const step = Effect.map(inbox.pull, ([event]) => {
      if (event._tag === "Stdout") streams.stdout.add(event.bytes)
      else if (event._tag === "Stderr") streams.stderr.add(event.bytes)
    })
    return Effect.forever(step, { disableYield: true }).pipe(
      Pull.catchDone(() => Effect.sync(() => answer(last!, streams)!)),
      Effect.onInterrupt(() =>
        Effect.sync(() => {
          session.forget(channel)
          inbox.drop(Cause.done())
          session.say({ _tag: "Release", channel })
        })
      )
    )
  })
