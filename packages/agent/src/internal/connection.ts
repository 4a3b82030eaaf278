/**
 * One agent at the other end of a pipe: which frame is about what, and what its loss means for all.
 *
 * Everything the agent says is taken up in the step in which it arrives, without waiting for anybody: a consumer that
 * does not read holds up its own command, because its credit runs out, and no other.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExecError from "effect-exec/ExecError"
import type { Adopted, Pipe, PipeFailure, Reader } from "../Pipe.ts"
import type { Encoder } from "./encoder.ts"
import { gone, type Loss, notRunning } from "./failure.ts"
import { type Frames, Framer } from "./framer.ts"
import { decode, type Hello, type Message } from "./message.ts"
import { Outgoing } from "./outgoing.ts"
import { features, version } from "./protocol.ts"
import * as Requests from "./requests.ts"
import { Silence, type Standstill, type Waiting } from "./silence.ts"

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
  /** Whether somebody waits for an answer that an agent which runs gives at once, or nearly so. */
  readonly isWaiting: boolean
  /** The agent's place stands still: fails what waits, of which nothing remains when the place goes on. */
  still(standstill: Standstill): void
}

const maxNumber = 0xffff_ffff

export class Connection implements Frames, Waiting {
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
  private canAdopt: boolean
  // A stack and not a Set: clearing an old Set allocates an old table, and with output beside the heap V8 then collects
  // all of it every few megabytes.
  private readonly touched: Array<Entry> = []
  private wakes: Array<() => void> = []
  private readonly silence: Silence | undefined
  // Whether the agent is there: who waits for the answer, and whether it was asked.
  private awaited: Deferred.Deferred<void, ExecError.ExecError> | undefined
  private isAsked = false

  /** `standstill` is asked about an agent that says nothing; without it none is watched. */
  constructor(pipe: Pipe, backend: string, standstill?: Effect.Effect<Standstill | undefined>) {
    this.pipe = pipe
    this.backend = backend
    this.silence = standstill === undefined ? undefined : new Silence(standstill, this)
    this.silence?.expect()
    this.outgoing = new Outgoing(pipe)
    this.canAdopt = pipe.adopt !== undefined
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

  /** Watches an agent that says nothing, where somebody can tell why; for ever. */
  get watch(): Effect.Effect<void> {
    return this.silence?.run ?? Effect.void
  }

  /**
   * Begins something once the agent has been heard just now. In a place that stands still it would begin later, when
   * nobody wants it any more.
   */
  whenAwake<A, R>(begin: Effect.Effect<A, ExecError.ExecError, R>): Effect.Effect<A, ExecError.ExecError, R> {
    const { silence } = this
    if (silence === undefined) return begin
    return Effect.suspend(() => (silence.isLong ? Effect.andThen(this.awake, begin) : begin))
  }

  private get awake(): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      if (this.loss !== undefined) return Effect.fail(gone(this.backend, this.loss))
      this.awaited ??= Deferred.makeUnsafe()
      if (!this.isAsked) this.isAsked = this.send((to) => Requests.ping(to, 0))
      this.expect()
      const { awaited } = this
      return Effect.acquireUseRelease(
        Effect.sync(() => this.hold(1)),
        () => Deferred.await(awaited),
        () => Effect.sync(() => this.hold(-1))
      )
    })
  }

  /** Somebody waits for an answer from now on. */
  expect(): void {
    this.silence?.expect()
  }

  get isWaiting(): boolean {
    if (!this.isGreeted || this.awaited !== undefined) return true
    for (const entry of this.entries.values()) if (entry.isWaiting) return true
    return false
  }

  still(standstill: Standstill): void {
    const fail = Effect.fail(notRunning(this.backend, standstill))
    const { awaited } = this
    this.awaited = undefined
    for (const entry of this.entries.values()) entry.still(standstill)
    this.later(() => {
      if (!this.isGreeted) Deferred.doneUnsafe(this.hello, fail)
      if (awaited !== undefined) Deferred.doneUnsafe(awaited, fail)
    })
    this.settle()
  }

  private answerAwaited(answer: Effect.Effect<void, ExecError.ExecError>): void {
    const { awaited } = this
    this.awaited = undefined
    if (awaited !== undefined) Deferred.doneUnsafe(awaited, answer)
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

  /** Whether the pipe of a busy command may be offered. */
  get adopts(): boolean {
    return this.canAdopt
  }

  /** Opens a pipe that was offered. What failed once fails for the same reason later, and is not tried again. */
  adopt(pid: number, fd: number, reader: Reader): Adopted | undefined {
    const adopted = this.canAdopt ? this.pipe.adopt?.(pid, fd, reader) : undefined
    this.canAdopt = adopted !== undefined
    return adopted
  }

  /** Does it when all that was read has been taken up: then whoever is woken sees all of it. */
  later(wake: () => void): void {
    this.wakes.push(wake)
  }

  private take(chunk: Uint8Array): void {
    if (this.loss !== undefined) return
    this.silence?.heard()
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
    else if (message._tag === "Pong") {
      this.isAsked = false
      this.later(() => this.answerAwaited(Effect.void))
    } else if (this.entries.get(command)?.message(message) === true) this.entries.delete(command)
    return undefined
  }

  private greeted(message: Message | undefined): string | undefined {
    if (message?._tag !== "Hello") return "the first frame is no greeting"
    if (message.versionMin > version || message.versionMax < version) {
      return `it speaks versions ${message.versionMin} to ${message.versionMax}, not ${version}`
    }
    this.isGreeted = true
    // Chosen may be only what is offered.
    this.canAdopt &&= (message.features & features.handover) !== 0
    this.send((to) => Requests.hello(to, this.canAdopt ? features.handover : 0))
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
      this.answerAwaited(Effect.fail(gone(this.backend, loss)))
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
