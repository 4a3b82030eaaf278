/**
 * The client's frames. Each gives false, and writes nothing, when it would be longer than the agent takes.
 */
import type { Encoder } from "./encoder.ts"
import { magic, maxFile, maxPayload, maxStart, toAgent, version } from "./protocol.ts"

/** A limit of START, by Linux's number. */
export interface Limit {
  readonly resource: number
  readonly soft: bigint
  readonly hard: bigint
}

/** What START says. */
export interface Start {
  readonly flags: number
  readonly stdoutCredit: number
  readonly stderrCredit: number
  readonly columns: number
  readonly rows: number
  readonly cwd: string
  readonly user: string
  readonly groups: ReadonlyArray<string>
  readonly limits: ReadonlyArray<Limit>
  readonly argv: ReadonlyArray<string>
  readonly env: ReadonlyArray<string>
}

export const hello = (to: Encoder, features: number): boolean => {
  to.begin(toAgent.hello, 0)
  for (const byte of magic) to.u8(byte)
  to.u16(version)
  to.u16(0)
  to.u32(features)
  return to.end(maxPayload)
}

export const start = (to: Encoder, command: number, fields: Start): boolean => {
  to.begin(toAgent.start, command)
  to.u32(fields.flags)
  to.u32(fields.stdoutCredit)
  to.u32(fields.stderrCredit)
  to.u16(fields.columns)
  to.u16(fields.rows)
  to.text(fields.cwd)
  to.text(fields.user)
  to.texts(fields.groups)
  to.u32(fields.limits.length)
  for (const { resource, soft, hard } of fields.limits) {
    to.u8(resource)
    to.u64(soft)
    to.u64(hard)
  }
  to.texts(fields.argv)
  to.texts(fields.env)
  return to.end(maxStart)
}

/** At least one byte. */
export const stdin = (to: Encoder, command: number, bytes: Uint8Array): boolean => {
  to.begin(toAgent.stdin, command)
  to.raw(bytes)
  return to.end(maxPayload)
}

export const stdinEof = (to: Encoder, command: number): boolean => {
  to.begin(toAgent.stdinEof, command)
  return to.end(maxPayload)
}

export const credit = (to: Encoder, command: number, fd: 1 | 2, bytes: number): boolean => {
  to.begin(toAgent.credit, command)
  to.u8(fd)
  to.u32(bytes)
  return to.end(maxPayload)
}

export const signal = (to: Encoder, command: number, request: number, signal: number, scope: number): boolean => {
  to.begin(toAgent.signal, command)
  to.u32(request)
  to.u8(signal)
  to.u8(scope)
  to.u16(0)
  return to.end(maxPayload)
}

export const closeOutput = (to: Encoder, command: number, streams: number): boolean => {
  to.begin(toAgent.closeOutput, command)
  to.u8(streams)
  return to.end(maxPayload)
}

export const handoverTaken = (to: Encoder, command: number, fd: 1 | 2): boolean => {
  to.begin(toAgent.handoverTaken, command)
  to.u8(fd)
  return to.end(maxPayload)
}

export const handoverRefused = (to: Encoder, command: number, fd: 1 | 2): boolean => {
  to.begin(toAgent.handoverRefused, command)
  to.u8(fd)
  return to.end(maxPayload)
}

export const resize = (to: Encoder, command: number, columns: number, rows: number): boolean => {
  to.begin(toAgent.resize, command)
  to.u16(columns)
  to.u16(rows)
  return to.end(maxPayload)
}

export const ping = (to: Encoder, nonce: number): boolean => {
  to.begin(toAgent.ping, 0)
  to.u32(nonce)
  return to.end(maxPayload)
}

/** One of the file operations; `fields` writes what belongs to it. */
export const file = (to: Encoder, command: number, op: number, fields: (to: Encoder) => void): boolean => {
  to.begin(toAgent.file, command)
  to.u8(op)
  fields(to)
  return to.end(maxFile)
}
