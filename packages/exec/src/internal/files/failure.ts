/**
 * How file operations fail, in the words of `effect/FileSystem`.
 */
import * as PlatformError from "effect/PlatformError"
import type { ExecError } from "../../ExecError.ts"
import type { FileError } from "../../Files.ts"
import { tagOf } from "../errno.ts"

/** What was asked for makes no sense, or is not there. */
export const badArgument = (method: string, description: string, cause?: unknown): PlatformError.PlatformError =>
  PlatformError.badArgument({ module: "FileSystem", method, description, ...(cause === undefined ? {} : { cause }) })

/** The platform's error for one of the file system, or of `Exec`, which is its cause. */
export const from =
  (method: string, path: string) =>
  (error: FileError | ExecError): PlatformError.PlatformError => {
    const { message } = error
    const tag = error._tag === "FileError" ? tagOf(error.code) : undefined
    return error._tag === "ExecError" && (error.reason._tag === "InvalidCommand" || error.reason._tag === "Unsupported")
      ? badArgument(method, message, error)
      : PlatformError.systemError({
          // Without the tools for it, or out of reach, the sandbox says nothing of the file.
          _tag: tag ?? "Unknown",
          module: "FileSystem",
          method,
          pathOrDescriptor: path,
          description: message,
          cause: error
        })
  }
