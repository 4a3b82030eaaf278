/**
 * The messages of `exec.v1`, one union for each direction, as PROTOCOL.md has them and in its order.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Transformation from "effect/SchemaTransformation"
import { Capabilities } from "effect-exec/Capabilities"
import { ExecError } from "effect-exec/ExecError"
import { EndedBy } from "effect-exec/ExecEvent"
import { ExitStatus } from "effect-exec/ExitStatus"
import { ProcessId } from "effect-exec/ProcessId"
import { ProcessInfo } from "effect-exec/ProcessInfo"
import * as Signal from "effect-exec/Signal"
import { TtySize } from "effect-exec/TtySize"

/** The WebSocket subprotocol, and so the version. */
export const subprotocol = "exec.v1"

/** Why a socket is closed. Those of WebSocket itself, and from 4400 on this protocol's, named after HTTP's. */
export const closeCodes = {
  done: 1000,
  goingAway: 1001,
  tooLarge: 1009,
  wrongFrame: 4400,
  unauthorized: 4401,
  forbidden: 4403,
  noCapsule: 4404,
  silent: 4408,
  takenOver: 4409,
  sessionUnknown: 4410,
  tooMany: 4429
} as const

/** Bytes of data in one frame, at the most: a pipe's capacity, so that control messages soon get between. */
export const maxData = 65_536

/** Bytes of a text frame, at the most: Linux takes 2 MiB of arguments and environment, which JSON may double. */
export const maxMessage = 4 * 1024 * 1024

/** The largest number of a channel that a client opens; the server's own begin after it. */
export const maxChannel = 0x7fff_ffff

/** What `Joined`, `Gap` and `Exited` cost of the credit of a WatchAll. */
export const entryCost = 64

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Channel = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxChannel }))
const AnyChannel = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff_ffff }))

/** A duration as milliseconds, or `"Infinity"`. Finite ones are bounded, or their nanoseconds might not be. */
export const Millis = Schema.Union([
  Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
  Schema.Literal("Infinity")
]).pipe(
  Schema.decodeTo(
    Schema.Duration,
    Transformation.transform({
      decode: (millis) => (millis === "Infinity" ? Duration.infinity : Duration.millis(millis)),
      encode: (duration) =>
        Duration.isFinite(duration)
          ? Math.min(Math.max(0, Duration.toMillis(duration)), Number.MAX_SAFE_INTEGER)
          : ("Infinity" as const)
    })
  )
)

// Names and values are checked by core, with words that help; here only for their types.
const Command = Schema.Struct({
  argv: Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.String]),
  /** In clear. `null` takes a variable away. */
  env: Schema.optionalKey(Schema.Record(Schema.String, Schema.NullOr(Schema.String))),
  extendEnv: Schema.optionalKey(Schema.Boolean),
  cwd: Schema.optionalKey(Schema.String),
  user: Schema.optionalKey(Schema.String),
  tty: Schema.optionalKey(TtySize)
})

const Policy = Schema.Struct({
  timeout: Millis,
  grace: Millis,
  killDeadline: Millis,
  maxOutput: Schema.optionalKey(Count),
  lingering: Schema.Literals(["kill", "drain", "await", "leave"])
})

const start = {
  channel: Channel,
  id: ProcessId,
  command: Command,
  stdin: Schema.Literals(["none", "open", "feed"]),
  policy: Policy,
  tag: Schema.optionalKey(Schema.String),
  /** `traceparent` of W3C Trace Context: in which span it was asked for. */
  trace: Schema.optionalKey(Schema.String)
}

const process = { channel: Channel, process: ProcessId }
const target = { channel: Channel, target: Schema.Union([Channel, ProcessId]) }

/** The first frame of a client on every socket. */
export const Hello = Schema.TaggedStruct("Hello", {
  session: Schema.String.check(Schema.isPattern(/^[0-9a-f]{32}$/)),
  resume: Schema.Boolean,
  received: Count,
  token: Schema.optionalKey(Schema.String)
})
/** The first frame of a client on every socket. */
export type Hello = typeof Hello.Type

/** What a server bounds. */
export const Limits = Schema.Struct({
  /** Channels that may be open at a time. */
  channels: Count,
  /** Bytes of a text frame. */
  message: Count,
  /** Credit for stdin that every channel has from the start, in bytes. */
  stdinWindow: Count,
  /** How long a session without a socket lives, in milliseconds. */
  grace: Count
})

/** The server's answer to Hello. */
export const Welcome = Schema.TaggedStruct("Welcome", {
  instance: Schema.String,
  received: Count,
  limits: Limits
})
/** The server's answer to Hello. */
export type Welcome = typeof Welcome.Type

/** What a client says on a channel, binary frames aside. */
export const ClientMessage = Schema.TaggedUnion({
  Start: { ...start, credit: Count },
  Detach: { ...start, ring: Count, overflow: Schema.Literals(["evict", "block"]) },
  Input: process,
  Eof: { channel: Channel },
  SourceFailed: { channel: Channel, text: Schema.String },
  Watch: { ...process, from: Count, lag: Schema.Literals(["skip", "block"]), credit: Count },
  WatchAll: { channel: Channel, credit: Count },
  Await: { ...process, timeout: Schema.optionalKey(Millis), credit: Count },
  Read: { ...process, take: Schema.Boolean, credit: Count },
  Look: process,
  Describe: { channel: Channel },
  List: { channel: Channel, exited: Schema.Boolean },
  Get: { channel: Channel, selector: Schema.Union([Schema.String, Schema.Int]) },
  Kill: {
    ...target,
    signal: Signal.schema,
    scope: Schema.Literals(["process", "tree"]),
    grace: Schema.optionalKey(Millis)
  },
  Resize: { ...target, size: TtySize },
  Release: { channel: Channel }
})
/** What a client says on a channel, binary frames aside. */
export type ClientMessage = typeof ClientMessage.Type

const { command, id, pid, tag } = ProcessInfo.fields
const ended = { status: ExitStatus, duration: Millis, endedBy: EndedBy, incomplete: Schema.Boolean }

/** What a server says on a channel, binary frames aside. */
export const ServerMessage = Schema.TaggedUnion({
  Started: { channel: Channel, id: ProcessId, pid: Schema.Int, tag: Schema.String },
  Ended: { channel: Channel, status: ExitStatus },
  Opened: { channel: Channel },
  StdinClosed: { channel: Channel },
  Gap: { channel: AnyChannel, from: Count, to: Count },
  Exited: { channel: AnyChannel, ...ended },
  Joined: { channel: Channel, child: AnyChannel, id: ProcessId, pid: Schema.Int },
  Result: { channel: Channel, pid: Schema.Int, ...ended, truncated: Schema.Boolean },
  Snapshot: { channel: Channel, evicted: Count },
  State: { channel: Channel, running: Schema.Boolean, size: Count, evicted: Count },
  Described: { channel: Channel, capabilities: Capabilities },
  Listed: { channel: Channel, processes: Schema.Array(ProcessInfo) },
  Found: { channel: Channel, process: Schema.Struct({ id, pid, tag, command }) },
  Done: { channel: Channel },
  Failed: {
    channel: Channel,
    error: Schema.optionalKey(ExecError),
    /** The source of its stdin failed, and it was ended for that. */
    source: Schema.optionalKey(Schema.Literal(true))
  },
  Released: { channel: Channel }
})
/** What a server says on a channel, binary frames aside. */
export type ServerMessage = typeof ServerMessage.Type

/** The JSON of one kind of text frame. `decode` gives `undefined` for what is none, whatever it is. */
export interface Json<T> {
  readonly encode: (value: T) => string
  readonly decode: (frame: string | Uint8Array) => T | undefined
}

const json = <T, E>(schema: Schema.Codec<T, E>): Json<T> => {
  const text = Schema.fromJsonString(Schema.toCodecJson(schema))
  const decode = Schema.decodeUnknownOption(text)
  return {
    encode: Schema.encodeSync(text),
    decode: (frame) => {
      // What a stranger sends must end his connection and not this program, should a decoder ever throw.
      try {
        return Option.getOrUndefined(decode(frame))
      } catch {
        return undefined
      }
    }
  }
}

/** Hello as a frame. */
export const hello = json(Hello)
/** Welcome as a frame. */
export const welcome = json(Welcome)
/** What a client says, as a frame. */
export const clientMessage = json(ClientMessage)
/** What a server says, as a frame. */
export const serverMessage = json(ServerMessage)
