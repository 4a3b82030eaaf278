/**
 * A process at the other end of one socket.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { Output, Running } from "effect-exec/Backend"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import * as ExitStatus from "effect-exec/ExitStatus"
import * as Host from "effect-exec/Host"
import * as Signal from "effect-exec/Signal"
import * as WrennWire from "../../WrennWire.ts"
import { web } from "../web.ts"
import * as failure from "./failure.ts"
import type { Http } from "./http.ts"
import * as launch from "./launch.ts"
import * as tree from "./tree.ts"

/** What becomes of a process is told over this. */
export interface Line {
  readonly http: Http
  readonly capsule: string
  /** Where the socket is. */
  readonly path: string
  /** What is said first. */
  readonly hello?: object | undefined
  /** Where the command was wrapped: it, and its mark. */
  readonly wrapped?: { readonly command: Command; readonly mark: string } | undefined
  /** Of a process that runs already. */
  readonly pid?: number | undefined
  /** It was started for this: where it cannot be followed, its end is lost, and its start is not undone. */
  readonly isOurs?: boolean | undefined
  readonly asked: failure.Asked
}

// Messages that came and were not read, each at most 64 KiB: with more the socket is not read, nor, behind it, the process.
const mostWaiting = 8

// Of what a shell may say before it becomes the command.
const mostSaid = 4_096

const encoder = new web.TextEncoder()
const decoder = new web.TextDecoder("utf-8")
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(WrennWire.ProcessEvent))

const nothing: ReadonlyArray<never> = []

const unwritable = Effect.suspend(() => Effect.fail(ExecError.make(new ExecError.Unsupported({ feature: "stdin" }))))

const noBytes: Uint8Array = new Uint8Array()

const joined = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const both = new Uint8Array(first.length + second.length)
  both.set(first)
  both.set(second, first.length)
  return both
}

export class WrennProcess implements Running {
  pid: number
  readonly pull: Running["pull"]
  readonly closeStdin = unwritable
  readonly exited: Effect.Effect<ExitStatus.ExitStatus, ExecError.ExecError>
  /** Done when it runs. */
  readonly started = Deferred.makeUnsafe<void, ExecError.ExecError>()
  /** Done when its pid is known, or never will be. */
  readonly known = Deferred.makeUnsafe<void>()
  /** Whether it is somebody else's from here on. */
  isReleased = false

  private readonly line: Line
  private readonly outputs: Queue.Queue<ReadonlyArray<Output>, ExecError.ExecError | Cause.Done>
  private readonly ended = Deferred.makeUnsafe<ExitStatus.ExitStatus, ExecError.ExecError>()
  private hasEnded = false
  private hasExited = false
  private isTreeGone = false
  private sent: Signal.Signal | undefined
  // Whether it may have been started, for all that is known here.
  private isAsked = false
  private hasBegun = false
  // What came before the mark, which is not known to be the command's own.
  private early: Array<Output> | undefined
  private said = noBytes

  constructor(line: Line, outputs: Queue.Queue<ReadonlyArray<Output>, ExecError.ExecError | Cause.Done>) {
    this.line = line
    this.pid = line.pid ?? 0
    if (line.pid !== undefined) Deferred.doneUnsafe(this.known, Effect.void)
    this.outputs = outputs
    this.early = line.wrapped === undefined ? undefined : []
    this.exited = Deferred.await(this.ended)
    this.pull = Effect.flatMap(Queue.take(outputs), (chunk) => {
      const [first, ...rest] = chunk
      return first === undefined ? this.pull : Effect.succeed([first, ...rest] as const)
    })
  }

  /** Reads the socket to its end, as far as somebody reads the output. */
  get listen(): Effect.Effect<void, never, Scope.Scope> {
    const { hello, http, path } = this.line
    const socket = http.socket(path)
    return Effect.gen({ self: this }, function* () {
      const { pull } = yield* socket.reader
      const writer = yield* socket.writer
      if (hello !== undefined) {
        this.isAsked = true
        yield* writer.write(JSON.stringify(hello))
      }
      while (!this.hasEnded) {
        for (const frame of yield* pull) {
          const output = this.take(frame)
          if (output.length > 0) yield* Queue.offer(this.outputs, output)
        }
      }
    }).pipe(Effect.catch((error) => Effect.sync(() => this.lose(error))))
  }

  private lose(error: Socket.SocketError): void {
    if (error.reason._tag === "SocketOpenError" && this.line.isOurs !== true) {
      return this.fail(failure.unavailable(error.message))
    }
    this.fail(failure.lost("its socket was closed before it had told of the end", this.pid > 0 || this.isAsked))
  }

  private fail(error: ExecError.ExecError): void {
    this.hasEnded = true
    // What runs in the background lives on, and can be found again.
    if (this.line.wrapped === undefined) this.isReleased = true
    Deferred.doneUnsafe(this.started, this.line.isOurs === true ? Effect.void : Effect.fail(error))
    Deferred.doneUnsafe(this.known, Effect.void)
    Deferred.doneUnsafe(this.ended, Effect.fail(error))
    Queue.failCauseUnsafe(this.outputs, Cause.fail(error))
  }

  private take(frame: string | Uint8Array): ReadonlyArray<Output> {
    const event = typeof frame === "string" ? Option.getOrUndefined(decode(frame)) : undefined
    switch (event?.type) {
      case "start":
        return this.start(event.pid)
      case "stdout":
        return this.output(1, event)
      case "stderr":
        return this.output(2, event)
      case "exit":
        return this.end(event)
      case "error":
        this.fail(this.failureOf(event))
        return nothing
      default:
        // What is not known is for others.
        return nothing
    }
  }

  // What is said of a process that runs is no reason why it could not start.
  private failureOf(event: WrennWire.ProcessEvent): ExecError.ExecError {
    const { asked, isOurs = false } = this.line
    return (this.hasBegun && event.exec_error === undefined) || (!this.hasBegun && isOurs)
      ? failure.lost(event.data ?? "the service says no more")
      : failure.ofEvent(event, asked)
  }

  private start(pid: number | undefined): ReadonlyArray<never> {
    if (pid !== undefined) this.pid = pid
    this.hasBegun = true
    Deferred.doneUnsafe(this.known, Effect.void)
    if (this.early === undefined) Deferred.doneUnsafe(this.started, Effect.void)
    return nothing
  }

  private output(fd: 1 | 2, { bytes, data = "" }: WrennWire.ProcessEvent): ReadonlyArray<Output> {
    const { wrapped } = this.line
    const content =
      bytes === undefined ? encoder.encode(data) : Result.getOrElse(Base64.decode(bytes), () => encoder.encode(data))
    const output: Output = { fd, bytes: content }
    if (this.early === undefined || wrapped === undefined) return [output]
    if (fd === 1) {
      this.early.push(output)
      return nothing
    }
    this.said = joined(this.said, content)
    const outcome = launch.outcome(this.said, wrapped.mark, wrapped.command)
    if (outcome === undefined) {
      if (this.said.length > mostSaid) this.fail(this.unstarted(127))
      return nothing
    }
    const { early } = this
    this.early = undefined
    if (outcome.error !== undefined) {
      this.fail(outcome.error)
      return nothing
    }
    Deferred.doneUnsafe(this.started, Effect.void)
    return [...early, ...outcome.rest.map((bytes): Output => ({ fd: 2, bytes }))]
  }

  private unstarted(code: number): ExecError.ExecError {
    const { program = "/bin/sh" } = this.line.asked
    const text = decoder.decode(this.said).trim().slice(0, mostSaid) || "the shell that was to start it ended"
    return ExecError.make(
      new ExecError.StartFailed({ program, detail: { backend: failure.backend, code: String(code), text } })
    )
  }

  private end({ exit_code, signal, tree_gone }: WrennWire.ProcessEvent): ReadonlyArray<never> {
    if (exit_code === undefined) {
      this.fail(ExecError.make(new ExecError.ProtocolViolation({ problem: "an exit without its code" })))
      return nothing
    }
    if (this.early !== undefined) {
      this.fail(this.unstarted(exit_code))
      return nothing
    }
    const named = (signal === undefined ? undefined : Signal.parse(signal)) ?? this.sent
    if (exit_code < 0 && named === undefined) {
      this.fail(failure.lost("a signal ended it, and the service does not say which"))
      return nothing
    }
    this.hasEnded = true
    this.hasExited = true
    this.isTreeGone = tree_gone === true
    const status = exit_code < 0 && named !== undefined ? ExitStatus.signaled(named) : ExitStatus.exited(exit_code)
    Deferred.doneUnsafe(this.ended, Effect.succeed(status))
    return nothing
  }

  /** After the last of its output. */
  get finish(): Effect.Effect<void> {
    return Effect.asVoid(Queue.end(this.outputs))
  }

  get closeOutput(): Effect.Effect<void> {
    return Effect.asVoid(Queue.end(this.outputs))
  }

  write(): Effect.Effect<void, ExecError.ExecError> {
    return unwritable
  }

  get treeEmpty(): Effect.Effect<void, ExecError.ExecError> {
    const { capsule, http } = this.line
    return Effect.suspend(() =>
      this.isReleased || this.isTreeGone
        ? Effect.void
        : Effect.raceFirst(tree.empty(http, capsule, this.pid), this.gone)
    )
  }

  // Its end may say so by itself, before one looks.
  private get gone(): Effect.Effect<void> {
    return Effect.matchEffect(this.exited, {
      onSuccess: () => (this.isTreeGone ? Effect.void : Effect.never),
      onFailure: () => Effect.never
    })
  }

  signal(signal: Signal.Signal, scope: "process" | "tree"): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      const { capsule, http } = this.line
      if (this.isReleased || this.isTreeGone || (scope === "process" && this.hasEnded)) return Effect.void
      if (!this.hasEnded) this.sent = signal
      return signal === "SIGKILL" && scope === "tree"
        ? tree.end(http, capsule, this.pid, this.hasEnded)
        : tree.signal(http, capsule, this.pid, signal, scope)
    })
  }

  /** Lets go of it: it lives on, and is no longer told of. */
  release(): void {
    this.isReleased = true
    this.fail(failure.closed)
  }

  /** Ends what is not known to have ended, and returns soon. */
  get abandon(): Effect.Effect<void> {
    return Effect.suspend(() => {
      // What becomes of the rest when it has ended is decided above.
      if (this.isReleased || this.hasExited) return Effect.void
      const ending = Effect.andThen(
        Deferred.await(this.known),
        Effect.andThen(
          Effect.suspend(() => (this.pid === 0 && this.isAsked ? this.look : Effect.void)),
          Effect.suspend(() => (this.pid === 0 ? Effect.void : this.signal("SIGKILL", "tree")))
        )
      )
      return Effect.asVoid(Host.within(Effect.ignore(ending), abandonment))
    })
  }

  // The socket was lost before it had told of the start. What was started all the same is known by its mark.
  private get look(): Effect.Effect<void, ExecError.ExecError> {
    const { capsule, http, wrapped } = this.line
    if (wrapped === undefined) return Effect.void
    return Effect.map(http.processes(capsule), (all) => {
      this.pid = all.find(({ args }) => args?.includes(wrapped.mark))?.pid ?? 0
    })
  }
}

/** How long to try to end what nobody wants any more. */
export const abandonment = Duration.seconds(5)

/** Follows a process; closing the scope ends it, unless it was released. */
export const follow = Effect.fnUntraced(function* (
  line: Line
): Effect.fn.Return<WrennProcess, ExecError.ExecError, Scope.Scope> {
  const outputs = yield* Queue.bounded<ReadonlyArray<Output>, ExecError.ExecError | Cause.Done>(mostWaiting)
  const process = new WrennProcess(line, outputs)
  // In this order, so that the socket is still read while it ends.
  yield* Effect.forkScoped(Effect.scoped(Effect.andThen(process.listen, process.finish)), { startImmediately: true })
  yield* Effect.addFinalizer(() => process.abandon)
  yield* Deferred.await(process.started)
  return process
})
