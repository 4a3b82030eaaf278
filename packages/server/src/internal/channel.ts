/**
 * What a number stands for at the server: the work that it opened, and its two directions.
 */
import type * as Fiber from "effect/Fiber"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DataSender } from "@effect-exec/capsule/DataSender"
import type { Frame } from "@effect-exec/capsule/Frame"
import * as Frames from "@effect-exec/capsule/Frame"
import { Inbox } from "@effect-exec/capsule/Inbox"
import type { ServerMessage } from "@effect-exec/capsule/Wire"
import type { ProcessHandle } from "effect-exec/Process"
import type { Session } from "./session.ts"

/** The client's source of stdin failed, or the client did. */
export class SourceFailed extends Schema.TaggedError<SourceFailed>()("SourceFailed", { text: Schema.String }) {
  override get message(): string {
    return this.text
  }
}

/** A message without its channel. */
export type About<Tag extends ServerMessage["_tag"]> = Omit<
  Extract<ServerMessage, { readonly _tag: Tag }>,
  "channel" | "_tag"
>

export class Channel {
  readonly number: number
  /** Output to the client, as far as it gave credit. */
  readonly output: DataSender
  /** The process that the channel's Start has started. */
  process: ProcessHandle | undefined
  /** Does the work. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined

  private readonly session: Session
  /** Stdin, which may come from the first moment on. */
  private readonly input: Inbox<Uint8Array, SourceFailed> | undefined
  private readonly isDetached: boolean
  private received = 0

  /** `input`: whose stdin comes here, of a process that ends with the session or of a detached one; nobody's by default. */
  constructor(session: Session, number: number, output: DataSender, input?: "attached" | "detached") {
    this.session = session
    this.number = number
    this.output = output
    this.isDetached = input === "detached"
    if (input !== undefined) {
      this.input = new Inbox(
        session.budget,
        (bytes) => bytes.length,
        (bytes) => session.grant(number, bytes),
        session.limits.stdinWindow
      )
    }
  }

  /** A part of this channel, with a number of its own, which shares its credit. */
  child(number: number): Channel {
    return new Channel(this.session, number, this.output)
  }

  /** Sends output. */
  send(kind: number, offset: number, bytes: Uint8Array): Effect.Effect<void> {
    return this.output.send(kind, offset, bytes, this.number)
  }

  /** Says something about this channel. */
  say<Tag extends ServerMessage["_tag"]>(_tag: Tag, about: About<Tag>): void {
    this.session.say({ _tag, channel: this.number, ...about } as ServerMessage)
  }

  /** Its stdin as a stream, which fails when the source of that does. */
  get stdin(): Stream.Stream<Uint8Array, SourceFailed> {
    return this.input === undefined ? Stream.empty : Stream.fromPull(Effect.succeed(this.input.pull))
  }

  /** Credit, or stdin; what is wrong with it, if anything is. */
  frame({ bytes, kind, offset }: Frame): string | undefined {
    if (kind === Frames.kinds.credit) {
      return this.output.give(offset) ? undefined : "more credit than there can be"
    }
    if (this.input === undefined) return "stdin for what has none"
    if (offset !== this.received) return "stdin that does not follow the stdin before it"
    this.received += bytes.length
    return this.input.add(bytes)
  }

  /** Whether all of the stdin of a detached process has come: that is its own by now, and reaches it whoever goes. */
  get isGiven(): boolean {
    return this.isDetached && this.input?.hasFinished === true
  }

  /** The end of stdin. */
  endInput(end: Parameters<Inbox<Uint8Array, SourceFailed>["finish"]>[0]): void {
    this.input?.finish(end)
  }
}
