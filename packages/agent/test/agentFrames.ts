/** The other end, for the tests: the agent's frames as bytes, and the client's frames as values. */
import type { Message } from "../src/internal/message.ts"
import { toAgent, toClient } from "../src/internal/protocol.ts"

/** What an agent sends: messages, and output. */
export type Sent =
  | { readonly command: number; readonly message: Message }
  | { readonly command: number; readonly fd: 1 | 2; readonly bytes: Uint8Array }

class Fields {
  readonly parts: Array<Buffer> = []
  u8 = (value: number) => this.push(Buffer.from([value]))
  u16 = (value: number) => this.of(2, (it) => it.writeUInt16LE(value))
  u32 = (value: number) => this.of(4, (it) => it.writeUInt32LE(value))
  u64 = (value: bigint) => this.of(8, (it) => it.writeBigUInt64LE(value))
  text = (value: string) => this.u32(Buffer.byteLength(value) + 1).push(Buffer.from(`${value}\0`))
  push = (bytes: Buffer): this => {
    this.parts.push(bytes)
    return this
  }
  private of = (size: number, write: (it: Buffer) => unknown) => {
    const bytes = Buffer.alloc(size)
    write(bytes)
    return this.push(bytes)
  }
}

export const frame = (kind: number, command: number, payload: Uint8Array): Buffer =>
  Buffer.concat([new Fields().u32(payload.length).u32(command).u32(kind).parts, [Buffer.from(payload)]].flat())

const kinds: Readonly<Record<Message["_tag"], number>> = {
  Hello: toClient.hello,
  Started: toClient.started,
  Failed: toClient.failed,
  StdinCredit: toClient.stdinCredit,
  StdinClosed: toClient.stdinClosed,
  Exit: toClient.exit,
  Drained: toClient.drained,
  OutputEnded: toClient.outputEnded,
  Empty: toClient.empty,
  Closed: toClient.closed,
  Signaled: toClient.signaled,
  Handover: toClient.handover,
  Result: toClient.result,
  Refused: toClient.refused,
  Pong: toClient.pong,
  Error: toClient.error
}

const payload = (message: Message): Fields => {
  const to = new Fields()
  switch (message._tag) {
    case "Hello":
      to.push(Buffer.from("EXAG")).u16(message.versionMin).u16(message.versionMax).u32(message.features)
      to.u32(message.pid).u32(message.uid).u32(message.gid).u32(message.maxPayload).u32(message.maxStart)
      return to.u32(message.stdinWindow).u32(message.maxCommands).u8(message.arch).u8(message.os).text(message.build)
    case "Started":
      return to.u32(message.pid)
    case "Failed":
      return to.u8(message.stage).text(message.error)
    case "StdinCredit":
      return to.u32(message.bytes)
    case "Exit":
      return to.u8(message.how).u8(message.flags).u16(0).u32(message.value).u64(message.nanoseconds)
    case "Closed":
      return to.u64(message.discardedStdout).u64(message.discardedStderr)
    case "Signaled":
      return to.u32(message.request).u32(message.count).text(message.error)
    case "Handover":
      return to.u32(message.stream).u32(message.fd).u32(message.pid).u64(message.offset)
    case "Result":
      return to.text(message.error).push(Buffer.from(message.result))
    case "Refused":
      return to.u8(message.kind).u8(message.code).u16(0)
    case "Pong":
      return to.u32(message.nonce)
    case "Error":
      return to.u8(message.code).text(message.text)
    default:
      return to
  }
}

export const encode = (sent: Sent): Buffer =>
  "message" in sent
    ? frame(kinds[sent.message._tag], sent.command, Buffer.concat(payload(sent.message).parts))
    : frame(sent.fd === 1 ? toClient.stdout : toClient.stderr, sent.command, sent.bytes)

/** A frame of the client. */
export interface Request {
  readonly kind: keyof typeof toAgent
  readonly command: number
  readonly payload: Buffer
}

const names = new Map(Object.entries(toAgent).map(([name, kind]) => [kind as number, name as keyof typeof toAgent]))

/** Takes whole frames off the front of the bytes. */
export const takeRequests = (bytes: Buffer): { readonly requests: ReadonlyArray<Request>; readonly rest: Buffer } => {
  const requests: Array<Request> = []
  let rest = bytes
  while (rest.length >= 12 && rest.length >= 12 + rest.readUInt32LE(0)) {
    const end = 12 + rest.readUInt32LE(0)
    requests.push({ kind: names.get(rest[8]!)!, command: rest.readUInt32LE(4), payload: rest.subarray(12, end) })
    rest = rest.subarray(end)
  }
  return { requests, rest }
}

export const hello: Message = {
  _tag: "Hello",
  versionMin: 1,
  versionMax: 1,
  features: 0x7f,
  pid: 4711,
  uid: 0,
  gid: 0,
  maxPayload: 65_536,
  maxStart: 4_194_304,
  stdinWindow: 131_072,
  maxCommands: 4096,
  arch: 1,
  os: 1,
  build: "test"
}
