/**
 * One command at the agent, as a `Running`. A plain object: nothing runs for it here but those who wait for it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Listener, Running, SignalScope, SpawnRequest } from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import * as ExitStatus from "effect-exec/ExitStatus"
import * as Signal from "effect-exec/Signal"
import type { TtySize } from "effect-exec/TtySize"
import type { Connection, Entry } from "./connection.ts"
import { connectionLost, type Loss, notRunning } from "./failure.ts"
import { Input } from "./input.ts"
import type { Message } from "./message.ts"
import { Output } from "./output.ts"
import { bothOutputs, scopes, sigkill, toAgent } from "./protocol.ts"
import * as Requests from "./requests.ts"
import { Signals } from "./signals.ts"
import type { Standstill } from "./silence.ts"

/** How a start was answered, when it was not with STARTED. */
export type NotStarted = Extract<Message, { readonly _tag: "Failed" | "Refused" }>

type Handover = Extract<Message, { readonly _tag: "Handover" }>

export class Remote implements Entry, Running {
  /** Done when the agent has answered START. */
  readonly answered = Deferred.makeUnsafe<NotStarted | undefined, ExecError.ExecError>()
  /** Where the START ends among all that was said: until that went out, nothing can have started. */
  startEnd = 0
  pid = 0
  readonly resize?: (size: TtySize) => Effect.Effect<void, ExecError.ExecError>

  private readonly connection: Connection
  private readonly request: SpawnRequest
  private readonly number: number
  private readonly outputs: Output
  private readonly input: Input | undefined
  // Made for the first one: most commands never get one.
  private signals: Signals | undefined
  private readonly exitFact = Deferred.makeUnsafe<ExitStatus.ExitStatus, ExecError.ExecError>()
  private exit: Exit.Exit<ExitStatus.ExitStatus, ExecError.ExecError> | undefined
  private listener: Listener | undefined
  private readonly emptyFact = Deferred.makeUnsafe<void, ExecError.ExecError>()
  private hasAnswered = false
  private hasExited = false
  private hasLeft = false
  private isTreeEmpty = false
  // Nothing that is said about it has a meaning any more: it did not start, or the agent has said its last word.
  private isClosed = false
  private lost: ExecError.ExecError | undefined

  constructor(connection: Connection, request: SpawnRequest, stdinWindow: number) {
    this.connection = connection
    this.request = request
    this.number = connection.add(this)
    this.outputs = new Output(this)
    if (request.stdin === "pipe") {
      const writer = {
        write: (bytes: Uint8Array) => this.say((to) => Requests.stdin(to, this.number, bytes)),
        eof: () => this.say((to) => Requests.stdinEof(to, this.number))
      }
      this.input = new Input(writer, stdinWindow, this.exitedFailure)
    }
    if (request.command.tty !== undefined) this.resize = (size) => this.resizeTo(size)
  }

  /** Puts the START; false when it is too long. */
  start(fields: Requests.Start): boolean {
    if (!this.connection.send((to) => Requests.start(to, this.number, fields))) return false
    this.startEnd = this.connection.outgoing.position
    this.connection.expect()
    // A terminal has an input anyway: what nobody will write to is at its end.
    if (this.resize !== undefined && this.input === undefined) this.say((to) => Requests.stdinEof(to, this.number))
    return true
  }

  /** The agent may send so much more. */
  grant(fd: 1 | 2, bytes: number): void {
    this.say((to) => Requests.credit(to, this.number, fd, bytes))
  }

  /** Takes back a START that was not put. */
  withdraw(): void {
    this.connection.remove(this.number)
  }

  get pull(): Running["pull"] {
    return this.outputs.pull
  }

  get closeOutput(): Effect.Effect<void> {
    return Effect.sync(() => this.closeOutputs())
  }

  write(bytes: Uint8Array): Effect.Effect<void, ExecError.ExecError> {
    return this.input === undefined ? this.exitedFailure : this.input.write(bytes)
  }

  get closeStdin(): Effect.Effect<void, ExecError.ExecError> {
    return this.input === undefined ? Effect.void : this.input.end
  }

  get exited(): Effect.Effect<ExitStatus.ExitStatus, ExecError.ExecError> {
    return Deferred.await(this.exitFact)
  }

  tell(listener: Listener): void {
    this.listener = listener
    if (this.exit !== undefined) listener.exited(this.exit)
  }

  whenReadable(): boolean {
    return this.listener !== undefined && this.outputs.whenReadable(this.listener)
  }

  get treeEmpty(): Effect.Effect<void, ExecError.ExecError> {
    return Deferred.await(this.emptyFact)
  }

  signal(signal: Signal.Signal, scope: SignalScope): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      if (scope === "process" ? this.hasExited : this.isTreeEmpty) return Effect.void
      if (this.lost !== undefined) return Effect.fail(this.lost)
      if (signal === "SIGKILL" && scope === "tree") return this.signalling.killTree
      return this.signalling.send(Signal.toNumber(signal), scopes[scope])
    })
  }

  /** Whether it was left to itself, as `lingering: "leave"` has it: only the end of the agent ends it now. */
  get isLeft(): boolean {
    return this.hasLeft
  }

  /** Kills what is left of the tree; ends when that is verified, or when nothing is known of it any more. */
  get killed(): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => (this.isTreeEmpty || this.isClosed ? Effect.void : this.signalling.killTree))
  }

  /** Nobody will read any more. */
  forget(): void {
    this.sayClosed()
    this.outputs.drop()
    this.input?.close()
  }

  output(fd: 1 | 2, bytes: Uint8Array): boolean {
    return this.outputs.arrived(fd, bytes)
  }

  flush(): void {
    this.outputs.flush()
  }

  message(message: Message): boolean {
    switch (message._tag) {
      case "Started":
        this.pid = message.pid
        this.answer(Effect.undefined)
        return false
      case "Failed":
        this.isClosed = true
        this.answer(Effect.succeed(message))
        return false
      case "Refused":
        return this.refused(message)
      case "StdinCredit":
        this.later(() => this.input?.give(message.bytes))
        return false
      case "StdinClosed":
        this.later(() => this.input?.close())
        return false
      case "Exit":
        this.exitedWith(
          message.how === 1 ? ExitStatus.exited(message.value) : ExitStatus.signaled(Signal.fromNumber(message.value)!)
        )
        return false
      case "Drained":
        // All that the process itself wrote is here; what those whom it left behind write was never asked for.
        if (this.hasLeft) this.closeOutputs()
        return false
      case "OutputEnded":
        this.outputs.last()
        return false
      case "Empty":
        this.empty()
        return false
      case "Signaled":
        this.later(() => this.signals?.answered(message))
        return false
      case "Handover":
        this.handover(message)
        return false
      case "Closed":
        this.closed()
        return true
      default:
        return false
    }
  }

  lose(loss: Loss): void {
    this.isClosed = true
    const started = this.connection.outgoing.hasGiven(this.startEnd)
    const lost = connectionLost(this.connection.backend, loss, started)
    this.lost = lost
    this.outputs.end(lost)
    this.input?.close(Effect.fail(lost))
    this.answer(Effect.fail(lost))
    this.later(() => {
      this.ended(Exit.fail(lost))
      Deferred.doneUnsafe(this.emptyFact, Effect.fail(lost))
      this.signals?.fail(lost)
    })
  }

  get isWaiting(): boolean {
    return !this.hasAnswered || this.signals?.isWaiting === true
  }

  still(standstill: Standstill): void {
    const { backend, outgoing } = this.connection
    if (this.hasAnswered) return this.signals?.still(notRunning(backend, standstill))
    // It cannot be taken back; carried out after the start, this ends it as soon as it has begun.
    this.say((to) => Requests.signal(to, this.number, 0, sigkill, scopes.tree))
    this.closeOutputs()
    this.isClosed = true
    this.answer(Effect.fail(notRunning(backend, standstill, outgoing.hasGiven(this.startEnd))))
  }

  private answer(answer: Effect.Effect<NotStarted | undefined, ExecError.ExecError>): void {
    this.hasAnswered = true
    this.later(() => Deferred.doneUnsafe(this.answered, answer))
  }

  private refused(message: NotStarted & { readonly _tag: "Refused" }): boolean {
    // Anything else that is refused came too late, and would have changed nothing.
    if (message.kind !== toAgent.start) return false
    this.isClosed = true
    this.answer(Effect.succeed(message))
    return true
  }

  private exitedWith(status: ExitStatus.ExitStatus): void {
    this.hasExited = true
    // Before whoever waits for the exit goes on and closes the scope.
    this.hasLeft = this.request.lingering === "leave"
    this.later(() => {
      this.input?.close()
      this.ended(Exit.succeed(status))
    })
  }

  // Once: what is lost after the exit has ended all the same.
  private ended(exit: Exit.Exit<ExitStatus.ExitStatus, ExecError.ExecError>): void {
    if (this.exit !== undefined) return
    this.exit = exit
    this.listener?.exited(exit)
    Deferred.doneUnsafe(this.exitFact, exit)
  }

  private empty(): void {
    this.isTreeEmpty = true
    this.later(() => {
      Deferred.doneUnsafe(this.emptyFact, Effect.void)
      this.signals?.ended()
    })
  }

  private closed(): void {
    this.isClosed = true
    this.outputs.last()
    this.later(() => this.signals?.ended())
  }

  private handover({ fd, pid, stream }: Handover): void {
    // An offer that crossed the closing has ended with it.
    if (this.outputs.hasEnded) return
    const isTaken = this.outputs.adopt(
      stream,
      (reader) => this.connection.adopt(pid, fd, reader),
      ({ code = "EIO", text = "reading the output" }) => connectionLost(this.connection.backend, { code, text }, true)
    )
    const answer = isTaken ? Requests.handoverTaken : Requests.handoverRefused
    this.say((to) => answer(to, this.number, stream))
  }

  private closeOutputs(): void {
    this.sayClosed()
    this.outputs.end()
  }

  private sayClosed(): void {
    if (!this.outputs.hasEnded) this.say((to) => Requests.closeOutput(to, this.number, bothOutputs))
  }

  private resizeTo({ columns, rows }: TtySize): Effect.Effect<void> {
    return Effect.sync(() => this.say((to) => Requests.resize(to, this.number, columns, rows)))
  }

  private get signalling(): Signals {
    return (this.signals ??= new Signals(this.connection, this.request.id, this.number))
  }

  private get exitedFailure(): Effect.Effect<never, ExecError.ExecError> {
    return Effect.fail(ExecError.make(new ExecError.ProcessExited({ id: this.request.id })))
  }

  private say(encode: Parameters<Connection["send"]>[0]): void {
    if (!this.isClosed) this.connection.send(encode)
  }

  private later(wake: () => void): void {
    this.connection.later(wake)
  }
}
