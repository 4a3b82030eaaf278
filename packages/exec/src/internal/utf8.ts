/**
 * UTF-8, where bytes become text: whole, in pieces, and at edges that cut through a character.
 */
import { type Decoder, web } from "./web.ts"

// A byte order mark is a character of the output like any other.
const options = { ignoreBOM: true }
const whole = new web.TextDecoder("utf-8", options)
const encoder = new web.TextEncoder()

/** Text as bytes. */
export const encode = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text)

/** Bytes as text; what is invalid becomes U+FFFD, once for each invalid sequence. */
export const decode = (bytes: Uint8Array): string => whole.decode(bytes)

/** A decoder that keeps an incomplete character for the next piece. */
export const makeDecoder = (): Decoder => new web.TextDecoder("utf-8", options)

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80

/** How many bytes at the beginning belong to a character that began before. At most three. */
export const orphans = (bytes: Uint8Array): number => {
  let count = 0
  while (count < 3 && count < bytes.length && isContinuation(bytes[count]!)) count++
  return count
}

/** How many bytes at the end are the beginning of a character whose rest may still come. At most three. */
export const incompleteTail = (bytes: Uint8Array): number => {
  for (let length = 1; length <= 3 && length <= bytes.length; length++) {
    const byte = bytes[bytes.length - length]!
    if (isContinuation(byte)) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return needed > length && isPrefix(bytes.subarray(bytes.length - length)) ? length : 0
  }
  return 0
}

// Some beginnings no character has (overlong forms, surrogates, past U+10FFFF): those are invalid now, not incomplete.
const isPrefix = (bytes: Uint8Array): boolean => {
  const [first = 0, second] = bytes
  if (first < 0xc2 || first > 0xf4) return false
  if (second === undefined) return true
  if (first === 0xe0) return second >= 0xa0
  if (first === 0xed) return second < 0xa0
  if (first === 0xf0) return second >= 0x90
  if (first === 0xf4) return second < 0x90
  return true
}
