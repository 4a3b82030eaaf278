/**
 * Bytes: joined, and as the digits that a shell's `printf` reads.
 */
export const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** The form that `printf %b` reads: every byte as `\0` and three octal digits, so that no shell finds anything in it. */
export const toOctal = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => `\\0${byte.toString(8).padStart(3, "0")}`).join("")

/** What `toOctal` wrote. */
export const fromOctal = (octal: string): Uint8Array =>
  Uint8Array.from(octal.split("\\0").slice(1), (digits) => Number.parseInt(digits, 8))
