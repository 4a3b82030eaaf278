/**
 * The stdin of a process at the server, written from here.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { ExecError } from "effect-exec/ExecError"
import { DataSender } from "../DataSender.ts"
import * as Frame from "../Frame.ts"
import type { ClientMessage } from "../Wire.ts"
import type { Session } from "./session.ts"

export class Stdin {
  private readonly session: Session
  private readonly channel: number
  private readonly sender: DataSender<ExecError>
  private readonly exited: Effect.Effect<never, ExecError>
  private isClosed = false
  /** Whether it ended with the session: the process may still read. */
  isLost = false
  // Writes are not mixed: the next one begins when all of this one went.
  private readonly turn = Semaphore.makeUnsafe(1)

  /** `exited` is what a write fails with when nobody reads any more. */
  constructor(session: Session, channel: number, exited: Effect.Effect<never, ExecError>) {
    this.session = session
    this.channel = channel
    this.exited = exited
    this.sender = new DataSender<ExecError>(session.link, channel, session.stdinWindow)
  }

  /** The server took some bytes; what is wrong with that, if anything is. */
  give(bytes: number): string | undefined {
    return this.sender.give(bytes) ? undefined : "more credit than there can be"
  }

  /** Nobody reads any more, or there is no way there. The first reason counts. */
  close(reason = this.exited): void {
    this.isClosed = true
    this.sender.close(reason)
  }

  /** The session is over. */
  lose(error: ExecError): void {
    this.isLost = !this.isClosed
    this.close(Effect.fail(error))
  }

  /** See `Running.write`. What was cut short by an interruption goes on behind what did go out. */
  write(bytes: Uint8Array): Effect.Effect<void, ExecError> {
    return this.turn.withPermit(Effect.suspend(() => this.sender.send(Frame.kinds.stdin, this.sender.sentBytes, bytes)))
  }

  /** See `Running.closeStdin`. After the writes before it. */
  get end(): Effect.Effect<void> {
    return this.finish({ _tag: "Eof", channel: this.channel })
  }

  /** What it was fed from has failed. */
  fail(text: string): Effect.Effect<void> {
    return this.finish({ _tag: "SourceFailed", channel: this.channel, text })
  }

  private finish(message: ClientMessage): Effect.Effect<void> {
    return this.turn.withPermit(
      Effect.sync(() => {
        if (this.isClosed) return
        this.close()
        this.session.say(message)
      })
    )
  }
}
