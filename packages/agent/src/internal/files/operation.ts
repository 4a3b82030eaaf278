/**
 * One file operation at the agent: from FILE to RESULT, with what is read or written between them.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecError from "effect-exec/ExecError"
import { FileError } from "effect-exec/Files"
import type { Connection, Entry } from "../connection.ts"
import * as deadline from "../deadline.ts"
import type { Encoder } from "../encoder.ts"
import { connectionLost, type Loss, notRunning } from "../failure.ts"
import { Input } from "../input.ts"
import type { Message } from "../message.ts"
import { Output } from "../output.ts"
import { bothOutputs, refusals, scopes, sigkill } from "../protocol.ts"
import * as Requests from "../requests.ts"
import type { Standstill } from "../silence.ts"

/** How an operation ends. */
export type Failing<A> = Effect.Effect<A, FileError | ExecError.ExecError>

/** Longer than it takes to write what was sent, or to give up. */
const endMillis = 2000

const brokenPipe = new FileError({ code: "EPIPE" })

export class Operation implements Entry {
  private readonly connection: Connection
  private readonly number: number
  private readonly outputs: Output
  private readonly input: Input | undefined
  private readonly ended = Deferred.makeUnsafe<Uint8Array, FileError | ExecError.ExecError>()
  private hasEnded = false
  // What has been answered goes on by itself, at the pace of whoever reads or writes.
  private hasAnswered = false
  private isClosing = false
  // Where its FILE ends among all that was said: until that went out, nothing was done.
  private end = 0

  /** With a window it is one that writes. */
  constructor(connection: Connection, stdinWindow?: number) {
    this.connection = connection
    this.number = connection.add(this)
    this.outputs = new Output(this)
    if (stdinWindow === undefined) return
    const writer = {
      write: (bytes: Uint8Array) => this.say((to) => Requests.stdin(to, this.number, bytes)),
      eof: () => this.say((to) => Requests.stdinEof(to, this.number))
    }
    // Why nothing more is taken is what the result says.
    const closed = ExecError.make(new ExecError.Closed({ what: "file" }))
    this.input = new Input(writer, stdinWindow, Effect.fail(closed))
  }

  /** The agent may send so much more. */
  grant(fd: 1 | 2, bytes: number): void {
    this.say((to) => Requests.credit(to, this.number, fd, bytes))
  }

  /** Puts the FILE. */
  begin(op: number, fields: (to: Encoder) => void): void {
    if (this.connection.send((to) => Requests.file(to, this.number, op, fields))) {
      this.end = this.connection.outgoing.position
      this.connection.expect()
      return
    }
    // It has room for the longest paths that the kernel takes.
    this.connection.remove(this.number)
    this.finish(Effect.fail(new FileError({ code: "ENAMETOOLONG" })))
  }

  /** What RESULT brings, or how the operation failed. */
  get result(): Failing<Uint8Array> {
    return Deferred.await(this.ended)
  }

  /** What is read, as it comes. Its end says nothing of the result. */
  get pull(): Output["pull"] {
    return this.outputs.pull
  }

  /** Waits while the agent does not take it. */
  write(bytes: Uint8Array): Failing<void> {
    const written = this.input?.write(bytes) ?? Effect.void
    return written.pipe(Effect.catch(() => Effect.andThen(this.result, Effect.fail(brokenPipe))))
  }

  /** There is no more to write. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isClosing = true
      this.connection.expect()
      return this.input?.end ?? Effect.void
    })
  }

  /** Nobody waits for it any more: what was written still goes where it was to go, anything else is given up. */
  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.hasEnded) return Effect.void
      this.outputs.drop()
      this.say((to) => Requests.closeOutput(to, this.number, bothOutputs))
      const kill = Effect.suspend(() => {
        this.say((to) => Requests.signal(to, this.number, 0, sigkill, scopes.process))
        return this.soon(Effect.void)
      })
      return this.input === undefined ? kill : Effect.andThen(this.close, this.soon(kill))
    })
  }

  private soon(orElse: Effect.Effect<void>): Effect.Effect<void> {
    return deadline.within(Effect.asVoid(Effect.exit(this.result)), endMillis, () => orElse)
  }

  output(fd: 1 | 2, bytes: Uint8Array): boolean {
    this.hasAnswered = true
    return this.outputs.arrived(fd, bytes)
  }

  flush(): void {
    this.outputs.flush()
  }

  message(message: Message): boolean {
    this.hasAnswered = true
    switch (message._tag) {
      case "StdinCredit":
        this.connection.later(() => this.input?.give(message.bytes))
        return false
      case "StdinClosed":
        this.connection.later(() => this.input?.close())
        return false
      case "Result":
        this.finish(
          message.error === "" ? Effect.succeed(message.result) : Effect.fail(new FileError({ code: message.error }))
        )
        return true
      case "Refused":
        this.finish(Effect.fail(this.refused(message.code)))
        return true
      default:
        return false
    }
  }

  lose(loss: Loss): void {
    const mayHaveRun = this.connection.outgoing.hasGiven(this.end)
    this.finish(Effect.fail(connectionLost(this.connection.backend, loss, mayHaveRun)))
  }

  get isWaiting(): boolean {
    return !this.hasEnded && (!this.hasAnswered || this.isClosing)
  }

  still(standstill: Standstill): void {
    if (!this.isWaiting) return
    const { backend, outgoing } = this.connection
    this.say((to) => Requests.closeOutput(to, this.number, bothOutputs))
    // All that was to be written has been said: that may as well be done.
    if (!this.isClosing) this.say((to) => Requests.signal(to, this.number, 0, sigkill, scopes.process))
    this.finish(Effect.fail(notRunning(backend, standstill, outgoing.hasGiven(this.end))))
  }

  private refused(code: number): FileError | ExecError.ExecError {
    return code === refusals.tooMany
      ? ExecError.make(new ExecError.LimitReached({ limit: "commands and file operations of one agent at a time" }))
      : new FileError({ code: "EPROTO", text: `the agent refused it: ${code}` })
  }

  private finish(result: Failing<Uint8Array>): void {
    this.hasEnded = true
    this.outputs.last()
    this.connection.later(() => {
      Deferred.doneUnsafe(this.ended, result)
      this.input?.close()
    })
  }

  private say(encode: Parameters<Connection["send"]>[0]): void {
    if (!this.hasEnded) this.connection.send(encode)
  }
}
