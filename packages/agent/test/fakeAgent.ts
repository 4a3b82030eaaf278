/** An agent in memory that says what a test tells it to, and keeps what it is told. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Command, ProcessId, type Backend } from "effect-exec"
import * as Agent from "../src/Agent.ts"
import type { Message } from "../src/internal/message.ts"
import type { Adopted, Pipe, PipeFailure, Reader } from "../src/Pipe.ts"
import { encode, hello, type Request, takeRequests } from "./agentFrames.ts"

/** A pipe that was handed over, and what it is asked. */
export class FakePipe implements Adopted {
  readonly from: readonly [pid: number, fd: number]
  private readonly reader: Reader
  /** What is in it when it is drained. */
  rest = ""
  resumed = 0
  isClosed = false

  constructor(pid: number, fd: number, reader: Reader) {
    this.from = [pid, fd]
    this.reader = reader
  }

  /** Gives bytes; whether more are wanted. */
  gives(bytes: Uint8Array): boolean {
    const isWanted = this.reader.take(bytes)
    this.reader.flush()
    return isWanted
  }

  ends(failure?: PipeFailure): void {
    this.reader.ended(failure)
    this.reader.flush()
  }

  resume(): void {
    this.resumed++
  }

  drain(): void {
    if (this.rest !== "") this.reader.take(Buffer.from(this.rest))
  }

  close(): void {
    this.isClosed = true
  }
}

export class FakeAgent {
  readonly requests: Array<Request> = []
  readonly holds: Array<boolean> = []
  isEnded = false
  /** While false, writes wait. */
  isWritable = true
  /** Pipes that were handed over, in order; none is while `canAdopt` is false. */
  readonly pipes: Array<FakePipe> = []
  canAdopt = true
  private readonly closed = Deferred.makeUnsafe<void, PipeFailure>()
  private take: (chunk: Uint8Array) => void = () => {}
  private rest: Buffer = Buffer.alloc(0)
  private readonly watchers = new Set<() => void>()

  readonly pipe: Pipe = {
    read: (take) =>
      Effect.suspend(() => {
        this.take = take
        return Deferred.await(this.closed)
      }),
    write: (bytes) =>
      Effect.suspend(() => {
        if (!this.isWritable) return Effect.never
        const { requests, rest } = takeRequests(Buffer.concat([this.rest, bytes]))
        this.rest = rest
        this.requests.push(...requests)
        for (const look of this.watchers) look()
        return Effect.void
      }),
    end: Effect.sync(() => {
      this.isEnded = true
      for (const look of this.watchers) look()
    }),
    hold: (busy) => void this.holds.push(busy)
  }

  /** The pipe of a host on the same machine. */
  get localPipe(): Pipe {
    return {
      ...this.pipe,
      adopt: (pid, fd, reader) => {
        const pipe = this.canAdopt ? new FakePipe(pid, fd, reader) : undefined
        if (pipe !== undefined) this.pipes.push(pipe)
        return pipe
      }
    }
  }

  /** Sends frames, in one piece. */
  says(command: number, ...messages: ReadonlyArray<Message | { readonly fd: 1 | 2; readonly text: string }>): void {
    this.sends(
      Buffer.concat(
        messages.map((it) =>
          encode(
            "text" in it && "fd" in it
              ? { command, fd: it.fd, bytes: Buffer.from(it.text) }
              : { command, message: it as Message }
          )
        )
      )
    )
  }

  sends(bytes: Uint8Array): void {
    this.take(bytes)
  }

  /** The end of the pipe, with or without a failure. */
  leaves(failure?: PipeFailure): void {
    Deferred.doneUnsafe(this.closed, failure === undefined ? Effect.void : Effect.fail(failure))
  }

  /** Waits until something is so, looking again whenever the client did something. */
  until<A>(look: () => A | undefined): Effect.Effect<A> {
    return Effect.callback((resume) => {
      const ask = () => {
        const value = look()
        if (value === undefined) return
        this.watchers.delete(ask)
        resume(Effect.succeed(value))
      }
      this.watchers.add(ask)
      ask()
    })
  }

  /** Waits for a frame of this kind, the `index`th. */
  told(kind: Request["kind"], index = 0): Effect.Effect<Request> {
    return this.until(() => this.requests.filter((request) => request.kind === kind)[index])
  }

  count(kind: Request["kind"]): number {
    return this.requests.filter((request) => request.kind === kind).length
  }
}

export const request = (
  command: Command.Command = Command.make("program"),
  options: Partial<Pick<Backend.SpawnRequest, "stdin" | "lingering">> = {}
): Backend.SpawnRequest => ({ id: ProcessId.make("test"), command, stdin: "none", lingering: "kill", ...options })

const connect = Effect.fnUntraced(function* (
  pipeOf: (agent: FakeAgent) => Pipe,
  greeting: Message = hello,
  options: Agent.Options = {}
) {
  const agent = new FakeAgent()
  const connecting = yield* Effect.forkScoped(Agent.connect(pipeOf(agent), { name: "fake", ...options }), {
    startImmediately: true
  })
  agent.says(0, greeting)
  const backend = yield* Fiber.join(connecting)
  return { agent, backend }
})

/** A backend on a fake agent that has greeted. */
export const connected = connect((agent) => agent.pipe)

/** The same in a place that may stand still. */
export const connectedIn = (standstill: Effect.Effect<Agent.Standstill | undefined>) =>
  connect((agent) => agent.pipe, hello, { standstill })

/** The same where the pipes of commands can be opened. */
export const connectedHere = (greeting?: Message) => connect((agent) => agent.localPipe, greeting)
