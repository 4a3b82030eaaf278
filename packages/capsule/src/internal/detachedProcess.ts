/**
 * A process that lives at the server, whatever becomes of this client.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import { ExecResult } from "effect-exec/ExecResult"
import * as Host from "effect-exec/Host"
import type { BufferSnapshot, DetachedProcess, EventsOptions } from "effect-exec/Process"
import type { ProcessId } from "effect-exec/ProcessId"
import * as Frame from "../Frame.ts"
import type { ServerMessage } from "../Wire.ts"
import { call, unexpected } from "./call.ts"
import { gather } from "./gather.ts"
import { exited, RemoteHandle } from "./remoteHandle.ts"
import type { Session } from "./session.ts"
import { Stdin } from "./stdin.ts"
import { watch } from "./watch.ts"

/** What is known of it. */
export interface Known {
  readonly id: ProcessId
  readonly pid: number
  readonly tag: string
  readonly command: Command
}

export class RemoteDetached extends RemoteHandle implements DetachedProcess {
  readonly id: ProcessId
  readonly pid: number
  readonly tag: string
  readonly command: Command
  protected readonly target: ProcessId
  // Made by who started it; else when somebody writes.
  private stdin: Stdin | undefined
  private readonly opening = Semaphore.makeUnsafe(1)

  /** `session` is the one that there is, also after one was lost: the process lives on at the server. */
  constructor(session: Effect.Effect<Session, ExecError.ExecError>, { command, id, pid, tag }: Known, stdin?: Stdin) {
    super(session)
    this.id = id
    this.pid = pid
    this.tag = tag
    this.command = command
    this.target = id
    this.stdin = stdin
  }

  protected get openStdin(): Effect.Effect<Stdin, ExecError.ExecError> {
    return this.opening.withPermit(
      Effect.suspend(() =>
        this.stdin !== undefined && !this.stdin.isLost
          ? Effect.succeed(this.stdin)
          : this.session.pipe(
              Effect.flatMap((session) => openInput(session, this.id)),
              Effect.tap((stdin) => Effect.sync(() => (this.stdin = stdin)))
            )
      )
    )
  }

  get closeStdin(): Effect.Effect<void, ExecError.ExecError> {
    return this.openStdin.pipe(
      Effect.flatMap((stdin) => stdin.end),
      // What was never open, or is no more, is closed.
      Effect.catchReasons("ExecError", { Unsupported: () => Effect.void, ProcessExited: () => Effect.void })
    )
  }

  events(options: EventsOptions = {}): Stream.Stream<ExecEvent, ExecError.ExecError> {
    return Stream.unwrap(Effect.map(this.session, (session) => watch(session, this.id, options)))
  }

  private readText(take: boolean): Effect.Effect<BufferSnapshot, ExecError.ExecError> {
    return Effect.flatMap(this.session, (session) =>
      gather(
        session,
        (channel, credit) => ({ _tag: "Read", channel, process: this.id, take, credit }),
        (message, { stderr, stdout }) =>
          message._tag === "Snapshot"
            ? { stdout: stdout.text, stderr: stderr.text, evicted: message.evicted }
            : undefined
      )
    )
  }

  get read(): Effect.Effect<BufferSnapshot, ExecError.ExecError> {
    return this.readText(true)
  }

  get peek(): Effect.Effect<BufferSnapshot, ExecError.ExecError> {
    return this.readText(false)
  }

  private get look(): Effect.Effect<Extract<ServerMessage, { readonly _tag: "State" }>, ExecError.ExecError> {
    return Effect.flatMap(this.session, (session) =>
      call(
        session,
        (channel) => ({ _tag: "Look", channel, process: this.id }),
        (message) => (message._tag === "State" ? message : undefined)
      )
    )
  }

  get isRunning(): Effect.Effect<boolean, ExecError.ExecError> {
    return Effect.map(this.look, ({ running }) => running)
  }

  get bufferSize(): Effect.Effect<number, ExecError.ExecError> {
    return Effect.map(this.look, ({ size }) => size)
  }

  get evicted(): Effect.Effect<number, ExecError.ExecError> {
    return Effect.map(this.look, ({ evicted }) => evicted)
  }

  get bufferOverflow(): Effect.Effect<boolean, ExecError.ExecError> {
    return Effect.map(this.evicted, (evicted) => evicted > 0)
  }

  wait({ timeout }: { readonly timeout?: Duration.Input | undefined } = {}): Effect.Effect<
    ExecResult,
    ExecError.ExecError
  > {
    const limit = timeout === undefined ? Effect.succeed(Duration.infinity) : Host.checkDuration("timeout", timeout)
    return Effect.flatMap(Effect.zip(limit, this.session), ([limit, session]) =>
      gather(
        session,
        (channel, credit) => ({
          _tag: "Await",
          channel,
          process: this.id,
          credit,
          ...(Duration.isFinite(limit) ? { timeout: limit } : {})
        }),
        (message, { stderr, stdout }) => {
          if (message._tag !== "Result") return undefined
          const { _tag, channel: _, ...result } = message
          return new ExecResult({ ...result, stdoutBytes: stdout.bytes, stderrBytes: stderr.bytes })
        }
      )
    )
  }
}

/** Opens the stdin of a process that somebody else may have started. */
const openInput = (session: Session, process: ProcessId): Effect.Effect<Stdin, ExecError.ExecError> =>
  Effect.suspend(() => {
    const opened = Deferred.makeUnsafe<Stdin, ExecError.ExecError>()
    const channel = session.open({
      frame: ({ kind, offset }) => (kind === Frame.kinds.credit ? stdin.give(offset) : "output where there is none"),
      message: (message) => {
        switch (message._tag) {
          case "Opened":
            Deferred.doneUnsafe(opened, Effect.succeed(stdin))
            return false
          case "StdinClosed":
            stdin.close()
            return true
          case "Failed":
            if (message.error === undefined) return unexpected(message)
            stdin.close(Effect.fail(message.error))
            Deferred.doneUnsafe(opened, Effect.fail(message.error))
            return true
          default:
            return unexpected(message)
        }
      },
      lose: (error) => {
        stdin.lose(error)
        Deferred.doneUnsafe(opened, Effect.fail(error))
      }
    })
    const stdin: Stdin = new Stdin(session, channel, exited(process))
    session.say({ _tag: "Input", channel, process })
    return Deferred.await(opened)
  })
