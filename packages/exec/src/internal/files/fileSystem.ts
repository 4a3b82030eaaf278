/**
 * `effect/FileSystem` from file operations: what its methods check, derive and promise beyond the system calls.
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { ExecError } from "../../ExecError.ts"
import { FileError, type Files } from "../../Files.ts"
import { concat } from "../bytes.ts"
import * as checked from "./checked.ts"
import { isWhole, maxNumber, type Use, withMode, wrong } from "./checked.ts"
import { badArgument, from } from "./failure.ts"
import { rechunk } from "./rechunk.ts"
import * as temporary from "./temporary.ts"
import * as writing from "./writing.ts"

const nanoseconds = (time: Date | number): bigint | undefined => {
  const seconds = typeof time === "number" ? time : time.getTime() / 1000
  if (!Number.isFinite(seconds)) return undefined
  // In two steps: as one number it would have no room for nanoseconds.
  const whole = Math.floor(seconds)
  return BigInt(whole) * 1_000_000_000n + BigInt(Math.round((seconds - whole) * 1e9))
}

// Elsewhere this is no error of the system's, and so has no reason of its own.
const notRecursive = <E>(error: FileError | E): FileError | E =>
  error instanceof FileError && error.code === "EISDIR"
    ? new FileError({ code: "ERR_FS_EISDIR", text: `${error.message}; remove it with recursive: true` })
    : error

const stream =
  (use: Use): FileSystem.FileSystem["stream"] =>
  (path, options) =>
    Stream.suspend(() => {
      const { chunkSize = 64 * 1024 } = options ?? {}
      if (!isWhole(chunkSize, 0, Number.MAX_SAFE_INTEGER)) {
        return Stream.fail(badArgument("stream", "The chunk size is not a whole number of bytes"))
      }
      if (chunkSize === 0) return Stream.empty
      const bytes = (size: ByteSize.Input) => ByteSize.toBigInt(ByteSize.fromInputUnsafe(size))
      const offset = options?.offset === undefined ? 0n : bytes(options.offset)
      const length = options?.bytesToRead === undefined ? undefined : bytes(options.bytesToRead)
      const opened = use("stream", [path], (files) => Effect.succeed(files.read(path, { offset, length })))
      return Stream.unwrap(Effect.map(opened, Stream.mapError(from("stream", path)))).pipe(rechunk(chunkSize))
    })

/**
 * How many operations are under way at a time, streams and sinks apart: each is a process in the sandbox, and a
 * program that asks for a thousand at once, which is no trouble elsewhere, must not use up all that it may have.
 */
const maxOperations = 16

/** The file system that these operations work on. */
export const make = (files: Effect.Effect<Files, ExecError>): FileSystem.FileSystem => {
  const atOnce = checked.use(files)
  const turns = Semaphore.makeUnsafe(maxOperations)
  const use: Use = (...args) => turns.withPermit(atOnce(...args))
  const writeFile: FileSystem.FileSystem["writeFile"] = (...args) =>
    turns.withPermit(writing.writeFile(atOnce)(...args))
  const list = (method: string, path: string, recursive: boolean) =>
    use(method, [path], (files) => files.list(path, recursive))

  const derived = FileSystem.make({
    ...temporary.make(use, writeFile),
    access: (path, { readable = false, writable = false } = {}) =>
      use("access", [path], (files) => files.access(path, readable, writable)),
    chmod: (path, mode) => withMode("chmod", mode, (mode) => use("chmod", [path], (files) => files.chmod(path, mode))),
    chown: (path, uid, gid) =>
      isWhole(uid, -1, maxNumber) && isWhole(gid, -1, maxNumber)
        ? use("chown", [path], (files) => files.chown(path, uid, gid))
        : wrong("chown", "A user or group is a number from 0 on, or -1 to leave it as it is"),
    copy: (source, target, { overwrite = false, preserveTimestamps = false } = {}) =>
      use("copy", [source, target], (files) => files.copy(source, target, overwrite, preserveTimestamps)),
    copyFile: (source, target) => use("copyFile", [source, target], (files) => files.copyFile(source, target)),
    link: (existing, path) => use("link", [existing, path], (files) => files.link(existing, path)),
    lstat: (path) => use("lstat", [path], (files) => files.stat(path, false)),
    makeDirectory: (path, { mode = 0o777, recursive = false } = {}) =>
      withMode("makeDirectory", mode, (mode) =>
        use("makeDirectory", [path], (files) => files.makeDirectory(path, mode, recursive))
      ),
    open: () => wrong("open", "Files of a sandbox have no handles; use stream, sink, readFile or writeFile"),
    readDirectory: (path, options) =>
      Effect.map(list("readDirectory", path, options?.recursive === true), (entries) =>
        entries.map(({ name }) => name).toSorted()
      ),
    readDirectoryEntries: (path) => list("readDirectoryEntries", path, false),
    readFile: (path) =>
      use("readFile", [path], (files) => Effect.map(Stream.runCollect(files.read(path, { offset: 0n })), concat)),
    readLink: (path) => use("readLink", [path], (files) => files.readLink(path)),
    realPath: (path) => use("realPath", [path], (files) => files.realPath(path)),
    remove: (path, { force = false, recursive = false } = {}) =>
      use("remove", [path], (files) => Effect.mapError(files.remove(path, recursive, force), notRecursive)),
    rename: (source, target) => use("rename", [source, target], (files) => files.rename(source, target)),
    stat: (path) => use("stat", [path], (files) => files.stat(path, true)),
    symlink: (target, path) => use("symlink", [target, path], (files) => files.symlink(target, path)),
    truncate: (path, length = 0) =>
      Number.isSafeInteger(length)
        ? use("truncate", [path], (files) => files.truncate(path, BigInt(Math.max(0, length))))
        : wrong("truncate", "The length is not a whole number of bytes"),
    utimes: (path, atime, mtime) => {
      const [accessed, modified] = [nanoseconds(atime), nanoseconds(mtime)]
      return accessed === undefined || modified === undefined
        ? wrong("utime", "A time is a Date, or a number of seconds since 1970")
        : use("utime", [path], (files) => files.utimes(path, accessed, modified))
    },
    watch: () => Stream.fail(badArgument("watch", "Files of a sandbox cannot be watched")),
    writeFile
  })
  // Not by handles, of which a sandbox has none: one operation reads, or writes, all of it.
  return FileSystem.FileSystem.of({ ...derived, stream: stream(atOnce), sink: writing.sink(atOnce) })
}
