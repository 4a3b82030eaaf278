/**
 * Tar archives, in the form that the engine unpacks.
 */

/** What an archive says of an entry. */
export interface Entry {
  readonly name: string
  readonly type: "file" | "directory"
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
}

const block = 512
const encoder = new TextEncoder()

const octal = (value: number, length: number): string => value.toString(8).padStart(length - 1, "0") + "\0"

// What eleven octal digits cannot say is in the extended header.
const maxSize = 0o77777777777

const header = ({ gid, mode, name, size, uid }: Omit<Entry, "type">, type: string): Uint8Array => {
  const bytes = new Uint8Array(block)
  const put = (at: number, text: string) => bytes.set(encoder.encode(text), at)
  bytes.set(encoder.encode(name).subarray(0, 100), 0)
  put(100, octal(mode, 8))
  put(108, octal(uid, 8))
  put(116, octal(gid, 8))
  put(124, octal(Math.min(size, maxSize), 12))
  put(136, octal(Math.floor(Date.now() / 1000), 12))
  put(148, "        ")
  put(156, type)
  put(257, "ustar\x0000")
  put(
    148,
    octal(
      bytes.reduce((sum, byte) => sum + byte, 0),
      7
    ) + " "
  )
  return bytes
}

/** The zeros after a file of this size: up to the next block, then the two empty blocks that end an archive. */
export const padding = (size: number): Uint8Array => new Uint8Array(((block - (size % block)) % block) + 2 * block)

// `length key=value\n`, where the length counts its own digits.
const record = (key: string, value: string): string => {
  const rest = encoder.encode(` ${key}=${value}\n`).length
  let length = rest + 1
  while (String(length).length + rest !== length) length = String(length).length + rest
  return `${length} ${key}=${value}\n`
}

const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** What comes before the bytes of the entry. */
export const head = (entry: Entry): Uint8Array => {
  const main = header(entry, entry.type === "file" ? "0" : "5")
  const records =
    (encoder.encode(entry.name).length > 100 || /[^ -~]/.test(entry.name) ? record("path", entry.name) : "") +
    (entry.size > maxSize ? record("size", String(entry.size)) : "")
  if (records === "") return main
  const body = encoder.encode(records)
  const extended = { ...entry, name: "pax", mode: 0o644, size: body.length }
  return concat(header(extended, "x"), body, padding(body.length).subarray(2 * block), main)
}

/** A file that is in memory, without the end of an archive. */
export const file = (entry: Omit<Entry, "size" | "type">, bytes: Uint8Array): Uint8Array =>
  concat(head({ ...entry, type: "file", size: bytes.length }), bytes, padding(bytes.length).subarray(2 * block))

/** A directory. */
export const directory = (entry: Omit<Entry, "size" | "type">): Uint8Array =>
  head({ ...entry, type: "directory", size: 0 })

/** A whole archive of what is in memory. */
export const archive = (...entries: ReadonlyArray<Uint8Array>): Uint8Array => concat(...entries, padding(0))
