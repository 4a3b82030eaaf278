/**
 * A process at the server that a scope here owns.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import type { KillOptions, SpawnOptions } from "effect-exec/ExecOptions"
import type { ExitStatus } from "effect-exec/ExitStatus"
import * as Host from "effect-exec/Host"
import type { Policy } from "effect-exec/Policy"
import type { ProcessId } from "effect-exec/ProcessId"
import * as Frame from "../Frame.ts"
import { type Inbox, initialCredit } from "../Inbox.ts"
import type { ClientMessage, ServerMessage } from "../Wire.ts"
import { unexpected } from "./call.ts"
import type { Channel } from "./channel.ts"
import { backend } from "./failure.ts"
import { makeInbox, toEvent } from "./output.ts"
import { exited, RemoteHandle } from "./remoteHandle.ts"
import type { Session } from "./session.ts"
import { startFields } from "./startFields.ts"
import { Stdin } from "./stdin.ts"
import * as trace from "./trace.ts"

const closed = ExecError.make(new ExecError.Closed({ what: "scope of this process" }))

export class LiveProcess<E> extends RemoteHandle implements Host.Live<E>, Channel {
  readonly id: ProcessId
  readonly command: Command
  pid = 0
  tag = ""
  /** Done when the server has answered the Start. */
  readonly started = Deferred.makeUnsafe<void, ExecError.ExecError>()

  protected readonly target: number
  private readonly say: (message: ClientMessage) => void
  private readonly policy: Policy
  private readonly inbox: Inbox<ExecEvent, ExecError.ExecError | E>
  private readonly stdin: Stdin | undefined
  private readonly isStdinOpen: boolean
  private readonly ended = Deferred.makeUnsafe<ExitStatus, ExecError.ExecError>()
  private readonly over = Deferred.makeUnsafe<void>()
  private hasEnded = false
  private isOver = false
  private hasGivenStarted = false
  private nextOffset = 0
  private lost: ExecError.ExecError | undefined
  private sourceFailure: Cause.Cause<E> | undefined

  constructor(session: Session, prepared: Host.Prepared, options: SpawnOptions<E, unknown>, trace: string | undefined) {
    super(Effect.succeed(session))
    this.say = (message) => session.say(message)
    this.id = prepared.request.id
    this.command = prepared.request.command
    this.policy = prepared.policy
    this.isStdinOpen = options.stdin === "open"
    this.target = session.open(this)
    this.inbox = makeInbox<E>(session, () => this.target)
    this.stdin = options.stdin === undefined ? undefined : new Stdin(session, this.target, exited(this.id))
    session.say({
      _tag: "Start",
      channel: this.target,
      credit: initialCredit,
      ...startFields(prepared, options, trace)
    })
  }

  frame(frame: Frame.Frame): string | undefined {
    if (frame.kind === Frame.kinds.credit) return this.stdin?.give(frame.offset)
    if (frame.offset !== this.nextOffset) return "output that does not follow the output before it"
    this.nextOffset += frame.bytes.length
    return this.inbox.add(toEvent(frame))
  }

  message(message: ServerMessage): boolean | string {
    switch (message._tag) {
      case "Started":
        this.pid = message.pid
        this.tag = message.tag
        Deferred.doneUnsafe(this.started, Effect.void)
        return false
      case "Ended":
        this.end(message.status)
        return false
      case "StdinClosed":
        this.stdin?.close()
        return false
      case "Gap":
        this.nextOffset = message.to
        this.inbox.add({ _tag: "Gap", from: message.from, to: message.to })
        return false
      case "Exited": {
        const { channel: _, ...event } = message
        this.end(message.status)
        this.inbox.add(event)
        this.finish(Cause.done())
        return true
      }
      case "Failed":
        return this.failed(message)
      case "Released":
        Deferred.doneUnsafe(this.started, Effect.fail(closed))
        Deferred.doneUnsafe(this.ended, Effect.fail(closed))
        this.finish(Effect.fail(closed))
        return true
      default:
        return unexpected(message)
    }
  }

  private failed({ error, source }: Extract<ServerMessage, { readonly _tag: "Failed" }>): boolean | string {
    if (source === true && this.sourceFailure !== undefined) {
      this.finish(Effect.failCause(this.sourceFailure))
      return true
    }
    if (error === undefined) return "a failure without an error"
    this.fail(error)
    return true
  }

  private fail(error: ExecError.ExecError): void {
    Deferred.doneUnsafe(this.started, Effect.fail(error))
    Deferred.doneUnsafe(this.ended, Effect.fail(error))
    this.finish(Effect.fail(error))
  }

  lose(error: ExecError.ExecError, started: boolean): void {
    if (started && !this.hasEnded) this.lost = error
    this.stdin?.close(Effect.fail(error))
    this.fail(error)
  }

  private end(status: ExitStatus): void {
    this.hasEnded = true
    this.stdin?.close()
    Deferred.doneUnsafe(this.ended, Effect.succeed(status))
  }

  private finish(end: Pull.Pull<never, ExecError.ExecError | E>): void {
    this.isOver = true
    this.stdin?.close()
    this.inbox.finish(end)
    Deferred.doneUnsafe(this.over, Effect.void)
  }

  get pull(): Host.Live<E>["pull"] {
    return Effect.suspend(() => {
      if (this.hasGivenStarted) return this.inbox.pull
      this.hasGivenStarted = true
      return Effect.succeed([{ _tag: "Started", id: this.id, pid: this.pid }] as const)
    })
  }

  get events(): Stream.Stream<ExecEvent, ExecError.ExecError | E> {
    return Stream.fromPull(Effect.succeed(this.pull))
  }

  get wait(): Effect.Effect<ExitStatus, ExecError.ExecError> {
    return Deferred.await(this.ended)
  }

  get isRunning(): Effect.Effect<boolean, ExecError.ExecError> {
    return Effect.sync(() => !this.hasEnded && !this.isOver)
  }

  protected get openStdin(): Effect.Effect<Stdin, ExecError.ExecError> {
    return this.isStdinOpen && this.stdin !== undefined ? Effect.succeed(this.stdin) : unopened
  }

  get closeStdin(): Effect.Effect<void, ExecError.ExecError> {
    return this.isStdinOpen && this.stdin !== undefined ? this.stdin.end : Effect.void
  }

  override kill(options?: KillOptions): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      if (this.lost !== undefined) return Effect.fail(this.lost)
      return this.isOver ? Effect.asVoid(Host.checkKill(options ?? {})) : super.kill(options)
    })
  }

  /** Writes what was given as stdin. Should its source fail, the server ends the tree. */
  feed<R>(source: Parameters<typeof Host.feed<E, R>>[1]): Effect.Effect<void, never, R> {
    const { stdin } = this
    if (stdin === undefined) return Effect.void
    const to = { write: (bytes: Uint8Array) => stdin.write(bytes), closeStdin: stdin.end }
    return Effect.catchCause(Host.feed(to, source), (cause) => {
      this.sourceFailure = cause
      return stdin.fail("the source of its stdin failed")
    })
  }

  /**
   * Has the server end the tree and waits until it did, no longer than it may take there. What then is not known to have
   * ended is reported: the server's own grace period ends it, where there still is a server.
   */
  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const isOver = this.isOver
      if (!isOver) this.say({ _tag: "Release", channel: this.target })
      const deadline = Duration.sum(this.policy.grace, this.policy.killDeadline)
      const ended = isOver ? Effect.succeed(true) : Host.within(Deferred.await(this.over), deadline)
      return Effect.flatMap(ended, (isOver) => {
        this.inbox.drop(Effect.fail(closed))
        return isOver && this.lost === undefined ? Effect.void : Host.reportLeftover({ name: backend }, this.pid)
      })
    })
  }
}

/** What `write` fails with where stdin was not opened for it. */
export const unopened: Effect.Effect<never, ExecError.ExecError> = Effect.suspend(() =>
  Effect.fail(
    ExecError.make(
      new ExecError.Unsupported({
        feature: `write to a stdin that was not opened; start the process with stdin: "open"`
      })
    )
  )
)

/** Starts a command whose process the scope owns. */
export const spawn = <E, R>(
  session: Session,
  prepared: Host.Prepared,
  options: SpawnOptions<E, R>
): Effect.Effect<Host.Live<E>, ExecError.ExecError, R | Scope.Scope> =>
  Effect.gen(function* () {
    const span = yield* trace.current
    // In one step: what was asked for is owned by somebody.
    const process = yield* Effect.acquireRelease(
      Effect.sync(() => new LiveProcess<E>(session, prepared, options, span)),
      (process) => process.release
    )
    if (options.stdin !== undefined && options.stdin !== "open") {
      yield* Effect.forkScoped(process.feed<R>(options.stdin), { startImmediately: true })
    }
    yield* Deferred.await(process.started)
    return process
  })
