/**
 * One agent at the other end of a pipe: which frame is about what, and what its loss means for all.
 *
 * Everything the agent says is taken up in the step in which it arrives, without waiting for anybody: a consumer that
 * does not read holds up its own command, because its credit runs out, and no other.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecError from "effect-exec/ExecError"
import type { Pipe, PipeFailure } from "../Pipe.ts"
import type { Encoder } from "./encoder.ts"
import type { Loss } from "./failure.ts"
import { type Frames, Framer } from "./framer.ts"
import { decode, type Hello, type Message } from "./message.ts"
import { Outgoing } from "./outgoing.ts"
import { version } from "./protocol.ts"
import * as Requests from "./requests.ts"

/** What a number stands for: a command or a file operation. */
export interface Entry {
  /** Output; false when it is more than there was credit for. */
  output(fd: 1 | 2, bytes: Uint8Array): boolean
  /** All output of one read was given. */
  flush(): void
  /** Anything else. True when it was the last frame, after which the number is free. */
  message(message: Message): boolean
  /** The connection is lost: nothing more comes. */
  lose(loss: Loss): void
}

const maxNumber = 0xffff_ffff

export class Connection implements Frames {
  /** The name of the backend, for errors. */
  readonly backend: string
  /** Why nothing can be said any more, once that is so. */
  loss: Loss | undefined
  /** What the agent said of itself. */
  readonly hello = Deferred.makeUnsafe<Hello, ExecError.ExecError>()
  readonly outgoing: Outgoing
  private readonly pipe: Pipe
  private readonly framer: Framer = new Framer(this)
  private readonly entries = new Map<number, Entry>()
  private number = 0
  private busy = 0
  private isGreeted = false
  // A stack and not a Set: clearing an old Set allocates an old table, and with output beside the heap V8 then collects
  // all of it every few megabytes.
  private readonly touched: Array<Entry> = []
  private wakes: Array<() => void> = []

  constructor(pipe: Pipe, backend: string) {
    this.pipe = pipe
    this.backend = backend
    this.outgoing = new Outgoing(pipe)
    this.send((to) => Requests.hello(to, 0))
  }

  /** Reads and writes until the pipe ends or fails, or what comes makes no sense; ends the pipe then. Never fails. */
  get run(): Effect.Effect<void> {
    const reading = Effect.as(
      this.pipe.read((chunk) => this.take(chunk)),
      endOfPipe
    )
    return Effect.raceAllFirst([reading, this.outgoing.run, this.broken]).pipe(
      Effect.catch((failure) => Effect.succeed(pipeFailed(failure))),
      Effect.flatMap((loss) => this.end(loss))
    )
  }

  /** Closes the pipe, so that the agent kills all that is left and ends; whoever still waits for something learns it. */
  end(loss: Loss): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.lose(loss)
      return this.pipe.end
    })
  }

  /** A number of its own for a command or an operation. */
  add(entry: Entry): number {
    do this.number = this.number === maxNumber ? 1 : this.number + 1
    while (this.entries.has(this.number))
    this.entries.set(this.number, entry)
    return this.number
  }

  remove(number: number): void {
    this.entries.delete(number)
  }

  /** Says something; false when it is too long. What is said after the loss goes nowhere. */
  send(encode: (to: Encoder) => boolean): boolean {
    return this.loss !== undefined || this.outgoing.put(encode)
  }

  /** Counts those who have a command here. */
  hold(change: 1 | -1): void {
    this.busy += change
    if (this.busy === (change === 1 ? 1 : 0)) this.pipe.hold?.(change === 1)
  }

  /** Does it when all that was read has been taken up: then whoever is woken sees all of it. */
  later(wake: () => void): void {
    this.wakes.push(wake)
  }

  private take(chunk: Uint8Array): void {
    if (this.loss !== undefined) return
    const problem = this.framer.take(chunk)
    if (problem !== undefined) this.lose({ code: "EPROTO", text: problem })
    this.settle()
  }

  output(command: number, fd: 1 | 2, bytes: Uint8Array): void {
    const entry = this.entries.get(command)
    if (entry === undefined || this.loss !== undefined) return
    if (this.touched.at(-1) !== entry) this.touched.push(entry)
    if (!entry.output(fd, bytes)) this.lose({ code: "EPROTO", text: "more output than there was credit for" })
  }

  frame(kind: number, command: number, payload: Uint8Array): string | undefined {
    if (this.loss !== undefined) return undefined
    const message = decode(kind, payload)
    if (message === "malformed") return `a malformed frame of kind 0x${kind.toString(16)}`
    if (!this.isGreeted) return this.greeted(message)
    if (message === undefined) return undefined
    if (message._tag === "Error") this.lose({ code: "ECONNABORTED", text: `the agent ended: ${message.text}` })
    else if (this.entries.get(command)?.message(message) === true) this.entries.delete(command)
    return undefined
  }

  private greeted(message: Message | undefined): string | undefined {
    if (message?._tag !== "Hello") return "the first frame is no greeting"
    if (message.versionMin > version || message.versionMax < version) {
      return `it speaks versions ${message.versionMin} to ${message.versionMax}, not ${version}`
    }
    this.isGreeted = true
    this.later(() => Deferred.doneUnsafe(this.hello, Effect.succeed(message)))
    return undefined
  }

  private settle(): void {
    for (let entry = this.touched.pop(); entry !== undefined; entry = this.touched.pop()) entry.flush()
    if (this.wakes.length === 0) return
    const { wakes } = this
    this.wakes = []
    for (const wake of wakes) wake()
  }

  // What the reading found out by itself; the pipe may well be fine, and would be read on.
  private get broken(): Effect.Effect<Loss> {
    return Effect.andThen(
      Deferred.await(this.over),
      Effect.sync(() => this.loss!)
    )
  }
  private readonly over = Deferred.makeUnsafe<void>()

  private lose(loss: Loss): void {
    if (this.loss !== undefined) return
    // Before the loss is noted: these bytes did arrive.
    this.framer.end()
    if (this.loss !== undefined) return
    this.loss = loss
    const { entries } = this
    for (const entry of entries.values()) entry.lose(loss)
    entries.clear()
    this.later(() => {
      Deferred.doneUnsafe(this.hello, Effect.fail(this.unreachable(loss)))
      Deferred.doneUnsafe(this.over, Effect.void)
    })
    this.settle()
  }

  private unreachable({ code, text }: Loss): ExecError.ExecError {
    const detail = { backend: this.backend, code, text }
    return ExecError.make(
      code === "EPROTO"
        ? new ExecError.ProtocolViolation({ problem: text, detail })
        : new ExecError.BackendUnavailable({
            backend: this.backend,
            hint: "The agent ended before it greeted: is its program built for that system, and may it be executed there?",
            detail
          })
    )
  }
}

const endOfPipe: Loss = { code: "EPIPE", text: "the agent has ended" }

const pipeFailed = ({ code = "EIO", text = "the pipe to the agent failed" }: PipeFailure): Loss => ({ code, text })
