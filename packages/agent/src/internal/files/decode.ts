/**
 * What the results of file operations say.
 */
import * as ByteSize from "effect/ByteSize"
import type { DirectoryEntry, File } from "effect/FileSystem"
import * as Option from "effect/Option"
import { web } from "../web.ts"

const decoder = new web.TextDecoder("utf-8")

// By the agent's numbers, with the bits that a mode has for them.
const types: ReadonlyArray<readonly [type: File.Type, bits: number]> = [
  ["Unknown", 0],
  ["File", 0o100000],
  ["Directory", 0o040000],
  ["SymbolicLink", 0o120000],
  ["FIFO", 0o010000],
  ["Socket", 0o140000],
  ["CharacterDevice", 0o020000],
  ["BlockDevice", 0o060000]
]

const typeOf = (number: number) => types[number] ?? types[0]!

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

const textAt = (view: DataView, at: number): readonly [text: string, next: number] => {
  const end = at + 4 + view.getUint32(at, true)
  return [decoder.decode(new Uint8Array(view.buffer, view.byteOffset + at + 4, end - at - 5)), end]
}

/** A text that is all of it. */
export const text = (bytes: Uint8Array): string => textAt(viewOf(bytes), 0)[0]

/** What LIST sends. */
export const entries = (bytes: Uint8Array): ReadonlyArray<DirectoryEntry> => {
  const view = viewOf(bytes)
  const found: Array<DirectoryEntry> = []
  for (let at = 0; at < bytes.length;) {
    const [name, next] = textAt(view, at + 1)
    found.push({ name, type: typeOf(bytes[at]!)[0] })
    at = next
  }
  return found
}

/** What STAT gives; times in nanoseconds. */
export interface Stat {
  readonly info: File.Info
  readonly atime: bigint
  readonly mtime: bigint
}

const unknownTime = -(2n ** 63n)

const date = (nanoseconds: bigint): Option.Option<Date> =>
  nanoseconds === unknownTime ? Option.none() : Option.some(new Date(Number(nanoseconds / 1_000_000n)))

/** What STAT gives. */
export const stat = (bytes: Uint8Array): Stat => {
  const view = viewOf(bytes)
  const u32 = (at: number) => view.getUint32(at, true)
  const u64 = (at: number) => view.getBigUint64(at, true)
  const i64 = (at: number) => view.getBigInt64(at, true)
  const [type, bits] = typeOf(view.getUint8(0))
  const [atime, mtime] = [i64(56), i64(64)]
  const info: File.Info = {
    type,
    mode: bits | u32(4),
    uid: Option.some(u32(8)),
    gid: Option.some(u32(12)),
    size: ByteSize.bytes(u64(16)),
    dev: u64(24),
    ino: Option.some(u64(32)),
    nlink: Option.some(BigInt(u32(40))),
    blksize: Option.some(ByteSize.bytes(u32(44))),
    blocks: Option.some(u64(48)),
    atime: date(atime),
    mtime: date(mtime),
    birthtime: date(i64(80)),
    rdev: Option.none()
  }
  return { info, atime, mtime }
}
