/**
 * One client: what it has opened, and the link to it.
 */
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Connection } from "@effect-exec/capsule/Connection"
import { DataSender } from "@effect-exec/capsule/DataSender"
import * as Frame from "@effect-exec/capsule/Frame"
import { Link } from "@effect-exec/capsule/Link"
import { ExtraBudget } from "@effect-exec/capsule/ReceiveWindow"
import * as Wire from "@effect-exec/capsule/Wire"
import type { Exec } from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import { Channel, SourceFailed } from "./channel.ts"
import type { Limits } from "../Limits.ts"
import { observed } from "./observed.ts"
import { work } from "./work.ts"

export class Session {
  readonly exec: Exec["Service"]
  readonly link = new Link((message) => this.take(message))
  readonly budget = new ExtraBudget()
  readonly limits: Limits

  private readonly context: Context.Context<never>
  private readonly channels = new Map<number, Channel>()
  private readonly others = new Set<Fiber.Fiber<unknown, unknown>>()
  private readonly overfull: () => void
  private connection: Connection | undefined
  private lastChannel = 0
  private lastChild = Wire.maxChannel
  private isOver = false

  /** `overfull` is told when what is kept for the client is more than anybody should keep. */
  constructor(exec: Exec["Service"], limits: Limits, context: Context.Context<never>, overfull: () => void) {
    this.exec = exec
    this.limits = limits
    this.context = context
    this.overfull = overfull
  }

  /** Goes on over this socket; the one before it, if there still is one, is closed. What is wrong, if anything is. */
  connected(connection: Connection, instance: string, receivedByClient: number): string | undefined {
    this.link.close(Wire.closeCodes.takenOver, "another socket took the session over")
    this.connection = connection
    const { channels, grace, message, stdinWindow } = this.limits
    connection.send(
      Wire.welcome.encode({
        _tag: "Welcome",
        instance,
        received: this.link.receivedCount,
        limits: { channels, message, stdinWindow, grace }
      })
    )
    return this.link.connected(connection, receivedByClient)
  }

  /** Lets go of a socket that says nothing any more, so that the client comes back over another one, if it is still there. */
  abandon(): void {
    this.link.close(Wire.closeCodes.silent, "nothing was heard for too long")
  }

  /** Whether this is the socket that it goes on over. */
  isOn(connection: Connection): boolean {
    return this.connection === connection
  }

  /** Says something; after the end it goes nowhere. */
  say(message: Wire.ServerMessage): void {
    this.send(Wire.serverMessage.encode(message))
  }

  /** Gives credit for stdin. */
  grant(channel: number, bytes: number): void {
    this.send(Frame.encode(Frame.kinds.credit, channel, bytes))
  }

  private send(frame: string | Uint8Array<ArrayBuffer>): void {
    if (this.isOver) return
    this.link.send(frame)
    if (this.link.keptBytes > this.limits.kept) this.overfull()
  }

  /** A number for a part of a channel. */
  nextChild(): number {
    return ++this.lastChild
  }

  /** The channel of a Start whose process may still live. */
  channel(number: number): Channel | undefined {
    return this.channels.get(number)
  }

  /** Does something beside the channels, until the end of the session. */
  fork(effect: Effect.Effect<unknown>): void {
    const fiber = Effect.runForkWith(this.context)(effect)
    this.others.add(fiber)
    fiber.addObserver(() => this.others.delete(fiber))
  }

  private take(message: string | Frame.Frame): string | undefined {
    if (this.isOver) return undefined
    if (typeof message !== "string") {
      if (message.kind === Frame.kinds.stdout || message.kind === Frame.kinds.stderr) return "output from a client"
      return this.channels.get(message.channel)?.frame(message)
    }
    const decoded = Wire.clientMessage.decode(message)
    if (decoded === undefined) return "a message that is none of this protocol's"
    return this.message(decoded)
  }

  private message(message: Wire.ClientMessage): string | undefined {
    const channel = this.channels.get(message.channel)
    switch (message._tag) {
      case "Eof":
        channel?.endInput(Cause.done())
        return undefined
      case "SourceFailed":
        channel?.endInput(Effect.fail(new SourceFailed({ text: message.text.slice(0, 1_000) })))
        return undefined
      case "Release":
        if (channel !== undefined) this.release(channel)
        return undefined
      default:
        return this.open(message)
    }
  }

  private open(message: Exclude<Wire.ClientMessage, { readonly _tag: "Eof" | "SourceFailed" | "Release" }>) {
    if (message.channel <= this.lastChannel) return "a channel that was used"
    this.lastChannel = message.channel
    const channel = new Channel(
      this,
      message.channel,
      new DataSender(this.link, message.channel, "credit" in message ? message.credit : 0),
      inputOf(message)
    )
    if (this.channels.size >= this.limits.channels) {
      channel.say("Failed", {
        error: ExecError.make(new ExecError.LimitReached({ limit: `${this.limits.channels} channels of a session` }))
      })
      return undefined
    }
    this.channels.set(channel.number, channel)
    const done = observed(message, work(this, channel, message)).pipe(
      Effect.scoped,
      Effect.catchCause((cause) => this.failed(channel, cause)),
      Effect.ensuring(Effect.sync(() => this.channels.delete(channel.number)))
    )
    channel.fiber = Effect.runForkWith(this.context)(done)
    return undefined
  }

  private failed(channel: Channel, cause: Cause.Cause<ExecError.ExecError | SourceFailed>): Effect.Effect<void> {
    // Whoever interrupted it says so.
    if (Cause.hasInterruptsOnly(cause)) return Effect.void
    const error = Cause.squash(cause)
    if (ExecError.isExecError(error)) return Effect.sync(() => channel.say("Failed", { error }))
    if (error instanceof SourceFailed) return Effect.sync(() => channel.say("Failed", { source: true }))
    const lost = new ExecError.ConnectionLost({
      started: true,
      detail: { backend: "capsule", text: "the server failed; its log says how" }
    })
    return Effect.andThen(
      Effect.logError("A channel failed", cause),
      Effect.sync(() => channel.say("Failed", { error: ExecError.make(lost) }))
    )
  }

  private release(channel: Channel): void {
    this.fork(
      Effect.andThen(
        Fiber.interrupt(channel.fiber!),
        Effect.sync(() => channel.say("Released", {}))
      )
    )
  }

  /** Ends what it has attached, and waits for that. Idempotent. */
  get end(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.isOver) return Effect.void
      this.isOver = true
      const channels = Array.from(this.channels.values()).filter(({ isGiven }) => !isGiven)
      for (const channel of channels) {
        channel.endInput(Effect.fail(new SourceFailed({ text: "the client that wrote its stdin is gone" })))
      }
      return Fiber.interruptAll([...channels.map(({ fiber }) => fiber!), ...this.others])
    })
  }
}

const inputOf = (message: Wire.ClientMessage): "attached" | "detached" | undefined => {
  if (message._tag === "Input") return "detached"
  if (!("stdin" in message) || message.stdin === "none") return undefined
  return message._tag === "Detach" ? "detached" : "attached"
}
