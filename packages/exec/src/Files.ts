/**
 * What a backend writes when it can work on files by itself, without running a command: `ExecFileSystem` then uses it.
 *
 * Each operation is what the system call of that name does, as the user whom commands run as; a relative path is
 * relative to where they start. Paths are not empty and have no NUL. Failures are named as the kernel names them.
 */
import type * as Effect from "effect/Effect"
import type { DirectoryEntry, File } from "effect/FileSystem"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ExecError } from "./ExecError.ts"

/** What the file system said: the name of an errno (`ENOENT`), and perhaps words. */
export class FileError extends Schema.TaggedError<FileError>()("FileError", {
  code: Schema.String,
  text: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.text ?? this.code
  }
}

/** How a file operation ends. */
export type Failing<A, R = never> = Effect.Effect<A, FileError | ExecError, R>

/** How a file is opened for writing. */
export interface WriteOptions {
  /** Where the bytes go: in place of what was there, behind it, or over it from the start on. */
  readonly to: "truncated" | "end" | "start"
  /** What becomes of a file that is not there: it is made, has to be made (`EEXIST` where there is one), or `ENOENT`. */
  readonly create: "if missing" | "always" | "never"
  /** Of a file that is made, less the umask. */
  readonly mode: number
}

/** A file that is being written. */
export interface Writer {
  /** Waits while the other side does not take it. */
  readonly write: (bytes: Uint8Array) => Failing<void>
  /** Writes what is left and closes the file: only then is it all there. */
  readonly close: Failing<void>
}

/** File operations. */
export interface Files {
  /** From an offset on, up to a length, both in bytes. */
  readonly read: (
    path: string,
    range: { readonly offset: bigint; readonly length?: bigint | undefined }
  ) => Stream.Stream<Uint8Array, FileError | ExecError>
  /** Closing the scope before `close` gives it up; what was written so far stays. */
  readonly write: (path: string, options: WriteOptions) => Failing<Writer, Scope.Scope>
  /** Names relative to the directory, in no order. Symbolic links to directories are not followed. */
  readonly list: (path: string, recursive: boolean) => Failing<ReadonlyArray<DirectoryEntry>>
  /** With `follow` of what a symbolic link leads to. */
  readonly stat: (path: string, follow: boolean) => Failing<File.Info>
  readonly access: (path: string, readable: boolean, writable: boolean) => Failing<void>
  /** With `recursive` parents too, and one that exists is fine. */
  readonly makeDirectory: (path: string, mode: number, recursive: boolean) => Failing<void>
  /** A new directory of this name, for the user alone; where temporary files go, unless told. Gives its path. */
  readonly makeTempDirectory: (directory: string | undefined, name: string) => Failing<string>
  /** A directory only with `recursive`, else `EISDIR`. With `force` what is missing is fine. Follows no symbolic link. */
  readonly remove: (path: string, recursive: boolean, force: boolean) => Failing<void>
  readonly rename: (from: string, to: string) => Failing<void>
  /** The bytes and permissions of one file, over what was there. */
  readonly copyFile: (from: string, to: string) => Failing<void>
  /**
   * A file, a link or a whole directory, with the permissions of each, into one that exists or with the directories
   * above it. A file that is there stays as it is, or is replaced with `overwrite`.
   */
  readonly copy: (from: string, to: string, overwrite: boolean, preserveTimestamps: boolean) => Failing<void>
  readonly symlink: (target: string, path: string) => Failing<void>
  readonly link: (existing: string, path: string) => Failing<void>
  readonly readLink: (path: string) => Failing<string>
  readonly realPath: (path: string) => Failing<string>
  readonly chmod: (path: string, mode: number) => Failing<void>
  /** `-1` leaves one as it is. */
  readonly chown: (path: string, uid: number, gid: number) => Failing<void>
  /** In nanoseconds since 1970. */
  readonly utimes: (path: string, atime: bigint, mtime: bigint) => Failing<void>
  readonly truncate: (path: string, length: bigint) => Failing<void>
}
