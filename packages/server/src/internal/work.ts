/**
 * What each message has the server do.
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { entryCost, type ClientMessage } from "@effect-exec/capsule/Wire"
import * as Frame from "@effect-exec/capsule/Frame"
import type { Command } from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import type { ExecOptions } from "effect-exec/ExecOptions"
import type { DetachedProcess, Process, ProcessHandle } from "effect-exec/Process"
import type { ProcessId } from "effect-exec/ProcessId"
import { publicCommand } from "effect-exec/ProcessInfo"
import type { Channel, SourceFailed } from "./channel.ts"
import type { Session } from "./session.ts"

type Message<Tag extends ClientMessage["_tag"]> = Extract<ClientMessage, { readonly _tag: Tag }>

type Work = Effect.Effect<void, ExecError.ExecError | SourceFailed, Scope.Scope>

const encoder = new TextEncoder()

/** Does what the message asks, to its last answer. Interrupting it stops that; what it has attached is ended. */
export const work = (
  session: Session,
  channel: Channel,
  message: Exclude<ClientMessage, { readonly _tag: "Eof" | "SourceFailed" | "Release" }>
): Work => {
  switch (message._tag) {
    case "Start":
      return start(session, channel, message)
    case "Detach":
      return detach(session, channel, message)
    case "Input":
      return input(session, channel, message.process)
    case "Watch":
      return watch(session, channel, message)
    case "WatchAll":
      return watchAll(session, channel)
    case "Await":
      return awaitEnd(session, channel, message)
    case "Read":
      return read(session, channel, message)
    case "Look":
      return look(session, channel, message.process)
    case "Describe":
      return Effect.map(session.exec.capabilities, (capabilities) =>
        // Whatever owns them there: for the client they live at the other side.
        channel.say("Described", { capabilities: { ...capabilities, detach: "remote" } })
      )
    case "List":
      return list(session, channel, message.exited)
    case "Get":
      return Effect.map(session.exec.get(message.selector), ({ command, id, pid, tag }) =>
        channel.say("Found", { process: { id, pid, tag, command: publicCommand(command) } })
      )
    case "Kill":
      return onTarget(session, message.target, (process) =>
        process.kill({ signal: message.signal, scope: message.scope, grace: message.grace })
      ).pipe(Effect.map(() => channel.say("Done", {})))
    case "Resize":
      return onTarget(session, message.target, (process) => process.resize(message.size)).pipe(
        Effect.map(() => channel.say("Done", {}))
      )
  }
}

// So that nothing on the way prints them; the process gets them in clear.
const redactedEnv = (env: Readonly<Record<string, string | null>>): NonNullable<Command["env"]> =>
  Object.fromEntries(
    Object.entries(env).map(([name, value]) => [name, value === null ? undefined : Redacted.make(value)])
  )

const toCommand = ({ env, ...command }: Message<"Start">["command"]): Command =>
  env === undefined ? command : { ...command, env: redactedEnv(env) }

const toOptions = ({ id, policy, tag }: Message<"Start" | "Detach">): ExecOptions & { readonly tag?: string } => ({
  id,
  timeout: policy.timeout,
  grace: policy.grace,
  maxOutput: policy.maxOutput ?? Infinity,
  lingering: policy.lingering,
  ...(tag === undefined ? {} : { tag })
})

const start = (session: Session, channel: Channel, message: Message<"Start">): Work =>
  Effect.gen(function* () {
    const { exec } = session
    const command = toCommand(message.command)
    const options = toOptions(message)
    const stdinClosed = sayClosed(channel)
    const isOpen = message.stdin === "open"
    const stdin = message.stdin === "feed" ? Stream.ensuring(channel.stdin, stdinClosed) : isOpen ? "open" : undefined
    const process: Process<SourceFailed> = yield* exec
      .spawn<SourceFailed>(command, { ...options, stdin })
      .pipe(Exec.withDefaults({ killDeadline: message.policy.killDeadline }))
    channel.process = process
    yield* Effect.annotateCurrentSpan("process.pid", process.pid)
    channel.say("Started", { id: process.id, pid: process.pid, tag: process.tag })
    if (isOpen) yield* Effect.forkScoped(Effect.andThen(forward(channel, process), stdinClosed))
    let hasExited = false
    // Beside the scope, whose closing ends the process: that end is told too.
    session.fork(
      Effect.matchEffect(process.wait, {
        onSuccess: (status) => Effect.sync(() => (hasExited ? undefined : channel.say("Ended", { status }))),
        onFailure: () => Effect.void
      })
    )
    yield* Stream.runForEach(process.events, (event) => {
      if (event._tag === "Exited") hasExited = true
      return event._tag === "Started" ? Effect.void : tell(channel, event)
    })
  })

// What an event of one process says on its channel.
const tell = (channel: Channel, event: Exclude<ExecEvent, { readonly _tag: "Started" }>): Effect.Effect<void> => {
  switch (event._tag) {
    case "Stdout":
      return channel.send(Frame.kinds.stdout, event.offset, event.bytes)
    case "Stderr":
      return channel.send(Frame.kinds.stderr, event.offset, event.bytes)
    case "Gap":
      return Effect.sync(() => channel.say("Gap", { from: event.from, to: event.to }))
    case "Exited": {
      const { _tag, ...exited } = event
      return Effect.sync(() => channel.say("Exited", exited))
    }
  }
}

// Writes what comes on the channel to a stdin that is open, until that is closed at either end.
const forward = (channel: Channel, process: Pick<ProcessHandle, "closeStdin" | "write">): Effect.Effect<void> =>
  Stream.runForEach(channel.stdin, (bytes) => process.write(bytes)).pipe(
    Effect.andThen(process.closeStdin),
    Effect.ignore
  )

const sayClosed = (channel: Channel): Effect.Effect<void> => Effect.sync(() => channel.say("StdinClosed", {}))

// Who would write to it later must learn that it is over, also if he has not written yet.
const forwardUntilExit = (channel: Channel, process: DetachedProcess): Effect.Effect<void> =>
  Effect.raceFirst(forward(channel, process), Effect.exit(process.wait())).pipe(Effect.andThen(sayClosed(channel)))

const detach = (session: Session, channel: Channel, message: Message<"Detach">): Work =>
  Effect.gen(function* () {
    const closed = Latch.makeUnsafe(false)
    const isOpen = message.stdin === "open"
    const isFed = message.stdin === "feed"
    const process = yield* session.exec
      .detach<SourceFailed>(toCommand(message.command), {
        ...toOptions(message),
        ring: message.ring,
        overflow: message.overflow,
        stdin: isFed ? Stream.ensuring(channel.stdin, closed.open) : isOpen ? "open" : undefined
      })
      .pipe(Exec.withDefaults({ killDeadline: message.policy.killDeadline }))
    channel.say("Started", { id: process.id, pid: process.pid, tag: process.tag })
    if (isOpen) yield* forwardUntilExit(channel, process)
    if (isFed) yield* Effect.andThen(closed.await, sayClosed(channel))
  })

// A client asks by id only for what it has a handle of: what is not there any more was there.
const known = (session: Session, id: ProcessId): Effect.Effect<DetachedProcess, ExecError.ExecError> =>
  Effect.catchReason(session.exec.get(id), "ExecError", "ProcessNotFound", () =>
    Effect.fail(
      ExecError.make(new ExecError.Closed({ what: "ring buffer of this process (it is no longer retained)" }))
    )
  )

const onTarget = (
  session: Session,
  target: number | ProcessId,
  act: (process: ProcessHandle) => Effect.Effect<void, ExecError.ExecError>
): Effect.Effect<void, ExecError.ExecError> => {
  if (typeof target === "string") return Effect.flatMap(known(session, target), act)
  const process = session.channel(target)?.process
  // It is over: nothing is left to act on.
  return process === undefined ? Effect.void : act(process)
}

const input = (session: Session, channel: Channel, id: ProcessId): Work =>
  Effect.gen(function* () {
    const process = yield* known(session, id)
    // Nothing is written; it says whether anything can be.
    yield* process.write(new Uint8Array())
    channel.say("Opened", {})
    yield* forwardUntilExit(channel, process)
  })

const watch = (session: Session, channel: Channel, { from, lag, process: id }: Message<"Watch">): Work =>
  Effect.gen(function* () {
    const process = yield* known(session, id)
    yield* Stream.runForEach(process.events({ from, lag }), (event) =>
      event._tag === "Started"
        ? Effect.sync(() => channel.say("Started", { id, pid: event.pid, tag: process.tag }))
        : tell(channel, event)
    )
  })

const watchAll = (session: Session, channel: Channel): Work => {
  const children = new Map<ProcessId, Channel>()
  return Stream.runForEach(session.exec.events, ([id, event]) => {
    if (event._tag === "Started") {
      const child = channel.child(session.nextChild())
      children.set(id, child)
      const { pid } = event
      return Effect.andThen(
        channel.output.spend(entryCost),
        Effect.sync(() => channel.say("Joined", { child: child.number, id, pid }))
      )
    }
    const child = children.get(id)!
    if (event._tag === "Exited") children.delete(id)
    const told = tell(child, event)
    return "bytes" in event ? told : Effect.andThen(channel.output.spend(entryCost), told)
  })
}

const awaitEnd = (session: Session, channel: Channel, { process: id, timeout }: Message<"Await">): Work =>
  Effect.gen(function* () {
    const process = yield* known(session, id)
    const result = yield* process.wait({ timeout })
    const { duration, endedBy, incomplete, pid, status, stderrBytes, stdoutBytes, truncated } = result
    yield* channel.send(Frame.kinds.stdout, 0, stdoutBytes)
    yield* channel.send(Frame.kinds.stderr, 0, stderrBytes)
    channel.say("Result", { pid, status, duration, endedBy, incomplete, truncated })
  })

const read = (session: Session, channel: Channel, { process: id, take }: Message<"Read">): Work =>
  Effect.gen(function* () {
    const process = yield* known(session, id)
    const { evicted, stderr, stdout } = yield* take ? process.read : process.peek
    yield* channel.send(Frame.kinds.stdout, 0, encoder.encode(stdout))
    yield* channel.send(Frame.kinds.stderr, 0, encoder.encode(stderr))
    channel.say("Snapshot", { evicted })
  })

const look = (session: Session, channel: Channel, id: ProcessId): Work =>
  Effect.gen(function* () {
    const process = yield* known(session, id)
    const running = yield* process.isRunning
    channel.say("State", { running, size: yield* process.bufferSize, evicted: yield* process.evicted })
  })

// Of one message; more would be a frame that others wait behind.
const page = 256

const list = (session: Session, channel: Channel, exited: boolean): Work =>
  Effect.map(session.exec.list({ exited }), (processes) => {
    for (let at = 0; at < processes.length; at += page) {
      channel.say("Listed", { processes: processes.slice(at, at + page) })
    }
    channel.say("Done", {})
  })
