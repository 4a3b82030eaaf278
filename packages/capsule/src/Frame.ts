/**
 * The binary frames of `exec.v1`: a header of 16 bytes, and raw bytes that end with the frame.
 */
import { maxData } from "./Wire.ts"

/** What a binary frame is. */
export const kinds = { stdin: 0, stdout: 1, stderr: 2, credit: 3, ack: 4, ping: 5, pong: 6 } as const

/** Bytes of the header. */
export const headerSize = 16

/** What a binary frame says. */
export interface Frame {
  readonly kind: number
  readonly channel: number
  /** Of the first byte; of the others a number that their kind gives a meaning. */
  readonly offset: number
  /** A view of the frame that was decoded. */
  readonly bytes: Uint8Array
}

/** Whether a frame of this kind carries bytes, and waits for room and credit. */
export const isData = (kind: number): boolean => kind <= kinds.stderr

// Two halves, because 64-bit integers are slow in JavaScript, and offsets stay below 2^53 anyway.
const half = 2 ** 32

/** A frame with these bytes copied behind its header. */
export const encode = (kind: number, channel: number, offset: number, bytes?: Uint8Array): Uint8Array<ArrayBuffer> => {
  const frame = new Uint8Array(headerSize + (bytes?.length ?? 0))
  const header = new DataView(frame.buffer)
  header.setUint8(0, kind)
  header.setUint32(4, channel, true)
  header.setUint32(8, offset % half, true)
  header.setUint32(12, Math.floor(offset / half), true)
  if (bytes !== undefined) frame.set(bytes, headerSize)
  return frame
}

/** What a frame says, or what is wrong with it. */
export const decode = (frame: Uint8Array): Frame | string => {
  if (frame.length < headerSize) return "a binary frame without a whole header"
  const header = new DataView(frame.buffer, frame.byteOffset, headerSize)
  const first = header.getUint32(0, true)
  const kind = first & 0xff
  if (first !== kind || kind > kinds.pong) return "a binary frame of an unknown kind"
  const channel = header.getUint32(4, true)
  const offset = header.getUint32(8, true) + header.getUint32(12, true) * half
  if (!Number.isSafeInteger(offset)) return "an offset beyond 2^53 - 1"
  const size = frame.length - headerSize
  if (isData(kind) ? size < 1 || size > maxData : size !== 0) return "a binary frame of a wrong length"
  if ((channel === 0) !== kind > kinds.credit) return "a binary frame with a wrong channel"
  return { kind, channel, offset, bytes: frame.subarray(headerSize) }
}
