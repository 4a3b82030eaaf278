/**
 * What `stat` tells, in a form that GNU and busybox print alike.
 */
import * as ByteSize from "effect/ByteSize"
import type { File } from "effect/FileSystem"
import * as Option from "effect/Option"

/** Type and mode, sizes, numbers, then times as text: the one form that has nanoseconds in both. */
export const format = "%f %s %d %i %h %u %g %t %T %b %o|%x|%y|%w"

const types: Readonly<Record<number, File.Type>> = {
  0o10: "File",
  0o04: "Directory",
  0o12: "SymbolicLink",
  0o06: "BlockDevice",
  0o02: "CharacterDevice",
  0o01: "FIFO",
  0o14: "Socket"
}

/** The type that is in the upper bits of a mode. */
export const typeOf = (mode: number): File.Type => types[mode >> 12] ?? "Unknown"

// "2026-01-31 12:00:00.123456789 +0000"; anything else where it is not known.
const time = (text: string): Option.Option<Date> => {
  const found = /^(\S+) (\d+:\d+:\d+)(?:\.(\d{3}))?\d* \+0000$/.exec(text)
  return found === null ? Option.none() : Option.some(new Date(`${found[1]}T${found[2]}.${found[3] ?? "000"}Z`))
}

// As the C library joins them.
const device = (major: bigint, minor: bigint): bigint =>
  ((major & 0xffff_f000n) << 32n) | ((major & 0xfffn) << 8n) | ((minor & 0xffff_ff00n) << 12n) | (minor & 0xffn)

/** Reads it; `undefined` when it has another form. */
export const parse = (stdout: string): File.Info | undefined => {
  const [numbers = "", atime = "", mtime = "", birthtime = ""] = stdout.trimEnd().split("|")
  const [mode, size, dev, ino, nlink, uid, gid, major, minor, blocks, blksize] = numbers.split(" ")
  if (blksize === undefined || mode === undefined) return undefined
  const bits = Number.parseInt(mode, 16)
  return {
    type: typeOf(bits),
    mode: bits,
    size: ByteSize.bytes(BigInt(size!)),
    dev: BigInt(dev!),
    ino: Option.some(BigInt(ino!)),
    nlink: Option.some(BigInt(nlink!)),
    uid: Option.some(Number(uid)),
    gid: Option.some(Number(gid)),
    rdev: Option.some(device(BigInt(`0x${major}`), BigInt(`0x${minor}`))),
    blksize: Option.some(ByteSize.bytes(BigInt(blksize))),
    blocks: Option.some(BigInt(blocks!)),
    atime: time(atime),
    mtime: time(mtime),
    birthtime: time(birthtime)
  }
}
