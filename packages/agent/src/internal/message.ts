/**
 * The payloads of the agent's frames, as values.
 */
import { magic, toClient } from "./protocol.ts"
import { web } from "./web.ts"

/** What the agent says of itself. */
export interface Hello {
  readonly _tag: "Hello"
  readonly versionMin: number
  readonly versionMax: number
  readonly features: number
  readonly pid: number
  readonly uid: number
  readonly gid: number
  readonly maxPayload: number
  readonly maxStart: number
  readonly stdinWindow: number
  readonly maxCommands: number
  readonly arch: number
  readonly os: number
  readonly build: string
}

/** A frame from the agent, output excepted. Errors are names of errnos; the empty one is none. */
export type Message =
  | Hello
  | { readonly _tag: "Started"; readonly pid: number }
  | { readonly _tag: "Failed"; readonly stage: number; readonly error: string }
  | { readonly _tag: "StdinCredit"; readonly bytes: number }
  | { readonly _tag: "StdinClosed" }
  | {
      readonly _tag: "Exit"
      readonly how: 1 | 2
      readonly flags: number
      readonly value: number
      readonly nanoseconds: bigint
    }
  | { readonly _tag: "Drained" }
  | { readonly _tag: "OutputEnded" }
  | { readonly _tag: "Empty" }
  | { readonly _tag: "Closed"; readonly discardedStdout: bigint; readonly discardedStderr: bigint }
  | { readonly _tag: "Signaled"; readonly request: number; readonly count: number; readonly error: string }
  | {
      readonly _tag: "Handover"
      readonly stream: 1 | 2
      readonly fd: number
      readonly pid: number
      readonly offset: bigint
    }
  | { readonly _tag: "Result"; readonly error: string; readonly result: Uint8Array }
  | { readonly _tag: "Refused"; readonly kind: number; readonly code: number }
  | { readonly _tag: "Pong"; readonly nonce: number }
  | { readonly _tag: "Error"; readonly code: number; readonly text: string }

const decoder = new web.TextDecoder("utf-8")

// A payload is exactly as long as its fields: a cursor that runs over, or stops short of the end, means malformed.
class Fields {
  private readonly bytes: Uint8Array
  private readonly view: DataView
  private at = 0
  private isMalformed = false

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  get isComplete(): boolean {
    return !this.isMalformed && this.at === this.bytes.length
  }

  // Where the field begins; past the end, a place from which zeros can be read.
  private skip(size: number): boolean {
    if (this.isMalformed || this.bytes.length - this.at < size) this.isMalformed = true
    else this.at += size
    return !this.isMalformed
  }

  require(condition: boolean): void {
    if (!condition) this.isMalformed = true
  }

  u8(): number {
    return this.skip(1) ? this.bytes[this.at - 1]! : 0
  }

  u16(): number {
    return this.skip(2) ? this.view.getUint16(this.at - 2, true) : 0
  }

  u32(): number {
    return this.skip(4) ? this.view.getUint32(this.at - 4, true) : 0
  }

  u64(): bigint {
    return this.skip(8) ? this.view.getBigUint64(this.at - 8, true) : 0n
  }

  zeros(count: number): void {
    for (let i = 0; i < count; i++) this.require(this.u8() === 0)
  }

  text(): string {
    const length = this.u32()
    if (length === 0) this.isMalformed = true
    if (!this.skip(length)) return ""
    const bytes = this.bytes.subarray(this.at - length, this.at)
    this.require(bytes.indexOf(0) === length - 1)
    // Short ASCII nearly always; the decoder is slow to start.
    return length === 1 ? "" : decoder.decode(bytes.subarray(0, length - 1))
  }

  rest(): Uint8Array {
    const rest = new Uint8Array(this.bytes.subarray(this.at))
    this.at = this.bytes.length
    return rest
  }
}

/**
 * Reads a payload; `"malformed"` when it does not have the form of its kind, `undefined` for a kind that is not known,
 * which is to be ignored.
 */
export const decode = (kind: number, payload: Uint8Array): Message | "malformed" | undefined => {
  const fields = new Fields(payload)
  const message = read(kind, fields)
  return message === undefined || fields.isComplete ? message : "malformed"
}

const read = (kind: number, fields: Fields): Message | undefined => {
  switch (kind) {
    case toClient.hello:
      return hello(fields)
    case toClient.started:
      return { _tag: "Started", pid: fields.u32() }
    case toClient.failed:
      return { _tag: "Failed", stage: fields.u8(), error: fields.text() }
    case toClient.stdinCredit:
      return { _tag: "StdinCredit", bytes: fields.u32() }
    case toClient.stdinClosed:
      return { _tag: "StdinClosed" }
    case toClient.exit:
      return exit(fields)
    case toClient.drained:
      return { _tag: "Drained" }
    case toClient.outputEnded:
      return { _tag: "OutputEnded" }
    case toClient.empty:
      return { _tag: "Empty" }
    case toClient.closed:
      return { _tag: "Closed", discardedStdout: fields.u64(), discardedStderr: fields.u64() }
    case toClient.signaled:
      return { _tag: "Signaled", request: fields.u32(), count: fields.u32(), error: fields.text() }
    case toClient.handover:
      return handover(fields)
    case toClient.result:
      return { _tag: "Result", error: fields.text(), result: fields.rest() }
    case toClient.refused:
      return refused(fields)
    case toClient.pong:
      return { _tag: "Pong", nonce: fields.u32() }
    case toClient.error:
      return { _tag: "Error", code: fields.u8(), text: fields.text() }
    default:
      return undefined
  }
}

const hello = (fields: Fields): Message => {
  for (const byte of magic) fields.require(fields.u8() === byte)
  return {
    _tag: "Hello",
    versionMin: fields.u16(),
    versionMax: fields.u16(),
    features: fields.u32(),
    pid: fields.u32(),
    uid: fields.u32(),
    gid: fields.u32(),
    maxPayload: fields.u32(),
    maxStart: fields.u32(),
    stdinWindow: fields.u32(),
    maxCommands: fields.u32(),
    arch: fields.u8(),
    os: fields.u8(),
    build: fields.text()
  }
}

const exit = (fields: Fields): Message => {
  const how = fields.u8()
  fields.require(how === 1 || how === 2)
  const flags = fields.u8()
  fields.zeros(2)
  const value = fields.u32()
  fields.require(how === 1 ? value <= 255 : value >= 1 && value <= 64)
  return { _tag: "Exit", how: how as 1 | 2, flags, value, nanoseconds: fields.u64() }
}

const handover = (fields: Fields): Message => {
  const stream = fields.u8()
  fields.require(stream === 1 || stream === 2)
  fields.zeros(3)
  return { _tag: "Handover", stream: stream as 1 | 2, fd: fields.u32(), pid: fields.u32(), offset: fields.u64() }
}

const refused = (fields: Fields): Message => {
  const message = { _tag: "Refused", kind: fields.u8(), code: fields.u8() } as const
  fields.zeros(2)
  return message
}
