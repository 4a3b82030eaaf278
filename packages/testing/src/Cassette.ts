/**
 * A recorded session as a file to read, to review and to keep beside the tests: JSON, one thing that happened per line.
 *
 * ```jsonl
 * {"cassette":1,"capabilities":{"tree":"exact","exit":"exact", …}}
 * {"run":["git","branch"],"cwd":"/src","env":{"TOKEN":{"redacted":true}},"stdin":"none","lingering":"kill","id":"p77","startedAt":1764099000000,"pid":17}
 * {"at":3.2,"stdout":"main\n"}
 * {"at":3.9,"end":true}
 * {"at":4.1,"exited":{"_tag":"Exited","code":0}}
 * {"run":["nope"],"stdin":"none","lingering":"kill","id":"p78","startedAt":1764099000010,"failed":{"_tag":"CommandNotFound","program":"nope"}}
 * ```
 *
 * The first line has the version of the format. Every command is a line with `run`, followed by what happened, in the
 * order in which it was observed, `at` milliseconds after its start: what came from the process (`stdout`, `stderr`,
 * `end` of both, `exited`, `treeEmpty`, `stdinClosed`, `lost`), and what was done to it (`stdin`, `stdinEnd`, `signal`,
 * `resize`). Bytes that are no text are `{"base64":"…"}`; every line of output is a chunk as it came.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { Capabilities } from "effect-exec/Capabilities"
import { Reason } from "effect-exec/ExecError"
import { ExitStatus } from "effect-exec/ExitStatus"
import { ProcessId } from "effect-exec/ProcessId"
import * as Signal from "effect-exec/Signal"
import { TtySize } from "effect-exec/TtySize"
import { decode, encode } from "./internal/web.ts"

/** The version of the format that this module writes; it reads no other. */
export const version = 1

const Bytes = Schema.Union([Schema.String, Schema.Struct({ base64: Schema.Uint8ArrayFromBase64 })]).pipe(
  Schema.decodeTo(
    Schema.Uint8Array,
    SchemaTransformation.transform({
      decode: (bytes) => (typeof bytes === "string" ? encode(bytes) : bytes.base64),
      encode: (bytes) => {
        const text = decode(bytes)
        const back = encode(text)
        const isText = back.length === bytes.length && back.every((byte, index) => byte === bytes[index])
        return isText ? text : { base64: bytes }
      }
    })
  )
)

const at = Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))
const happened = Schema.Literal(true)

/** Something that happened to a process, so many milliseconds after its start. */
export const Entry = Schema.Union([
  Schema.Struct({ at, stdout: Bytes }),
  Schema.Struct({ at, stderr: Bytes }),
  Schema.Struct({ at, end: happened }),
  Schema.Struct({ at, exited: ExitStatus }),
  Schema.Struct({ at, treeEmpty: happened }),
  Schema.Struct({ at, lost: Reason }),
  Schema.Struct({ at, stdin: Bytes }),
  Schema.Struct({ at, stdinEnd: happened }),
  Schema.Struct({ at, stdinClosed: happened }),
  Schema.Struct({ at, signal: Signal.schema, to: Schema.Literals(["process", "tree"]) }),
  Schema.Struct({ at, resize: TtySize })
])
/** Something that happened to a process, so many milliseconds after its start. */
export type Entry = typeof Entry.Type

/** A command that was run, and how it began. */
export const Start = Schema.Struct({
  run: Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.String]),
  cwd: Schema.optionalKey(Schema.String),
  user: Schema.optionalKey(Schema.String),
  tty: Schema.optionalKey(TtySize),
  /** `null` is a variable that was taken away. */
  env: Schema.optionalKey(
    Schema.Record(
      Schema.String,
      Schema.Union([Schema.String, Schema.Null, Schema.Struct({ redacted: Schema.Literal(true) })])
    )
  ),
  extendEnv: Schema.optionalKey(Schema.Boolean),
  stdin: Schema.Literals(["none", "pipe"]),
  lingering: Schema.Literals(["kill", "drain", "await", "leave"]),
  id: ProcessId,
  tag: Schema.optionalKey(Schema.String),
  /** Milliseconds since 1970. */
  startedAt: Schema.Int,
  /** Absent where it failed to start. */
  pid: Schema.optionalKey(Schema.Int),
  failed: Schema.optionalKey(Reason)
})
/** A command that was run, and how it began. */
export type Start = typeof Start.Type

/** One command: how it began, and what happened then. */
export interface Recording {
  readonly start: Start
  readonly entries: ReadonlyArray<Entry>
}

/** A recorded session. */
export interface Cassette {
  /** What the backend could do, where it was known. */
  readonly capabilities: Capabilities | undefined
  /** In the order in which they were started. */
  readonly recordings: ReadonlyArray<Recording>
}

/** A cassette that cannot be used. */
export class CassetteError extends Schema.TaggedError<CassetteError>()("CassetteError", {
  path: Schema.String,
  /** What is wrong with it, and how to mend it. */
  problem: Schema.String
}) {
  override get message(): string {
    return `The cassette ${this.path} ${this.problem}`
  }
}

const Header = Schema.Struct({ cassette: Schema.Int, capabilities: Schema.optionalKey(Capabilities) })
const Line = Schema.Union([Start, Entry])

const headerCodec = Schema.fromJsonString(Schema.toCodecJson(Header))
const lineCodec = Schema.fromJsonString(Schema.toCodecJson(Line))

/** The text of a cassette. */
export const format = ({ capabilities, recordings }: Cassette): string => {
  const header = Schema.encodeSync(headerCodec)({
    cassette: version,
    ...(capabilities === undefined ? {} : { capabilities })
  })
  const lines = recordings.flatMap(({ entries, start }) =>
    [start, ...entries].map((line) => Schema.encodeSync(lineCodec)(line))
  )
  return `${[header, ...lines].join("\n")}\n`
}

/** Reads the text of a cassette, or says in which line it is broken. */
export const parse = (path: string, text: string): Result.Result<Cassette, CassetteError> => {
  const fail = (problem: string) => Result.fail(new CassetteError({ path, problem }))
  const [first = "", ...lines] = text.split(/\r?\n/).filter((line) => line !== "")
  const header = Schema.decodeResult(headerCodec)(first)
  if (Result.isFailure(header)) return fail(`does not begin with {"cassette":${version}}: ${header.failure.message}`)
  const { capabilities, cassette } = header.success
  if (cassette !== version) {
    return fail(`has version ${cassette} of the format; this package reads version ${version}. Record it anew`)
  }
  const recordings: Array<{ readonly start: Start; readonly entries: Array<Entry> }> = []
  for (const [index, line] of lines.entries()) {
    const decoded = Schema.decodeResult(lineCodec)(line)
    if (Result.isFailure(decoded)) return fail(`is broken in line ${index + 2}: ${decoded.failure.message}`)
    if ("run" in decoded.success) recordings.push({ start: decoded.success, entries: [] })
    else if (recordings.length === 0) return fail(`is broken in line 2: it does not say which command was run`)
    else recordings.at(-1)!.entries.push(decoded.success)
  }
  return Result.succeed({ capabilities, recordings })
}
