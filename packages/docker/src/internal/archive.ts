/**
 * Files by the engine's archive API: it works where no program runs, in containers without a shell, stopped or paused.
 */
import * as Path from "node:path/posix"
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { packTar } from "modern-tar"
import type { ExecError } from "effect-exec/ExecError"
import type { Content, WriteOptions } from "../Container.ts"
import type { DockerClient } from "../DockerClient.ts"
import * as Tar from "./tar.ts"

const problem = (
  method: string,
  tag: PlatformError.SystemErrorTag,
  path: string,
  description: string,
  cause?: unknown
): PlatformError.PlatformError =>
  PlatformError.systemError({ _tag: tag, module: "Container", method, pathOrDescriptor: path, description, cause })

// The engine's words, for it has one status for several things that can be wrong with a path.
const ofPath =
  (method: string, path: string) =>
  (error: ExecError): ExecError | PlatformError.PlatformError => {
    const { detail } = error.reason
    const text = detail?.text ?? ""
    if (detail?.code === "404" && !/No such container/i.test(text))
      return problem(method, "NotFound", path, text, error)
    if (/read-only/.test(text)) {
      return problem(
        method,
        "PermissionDenied",
        path,
        `${text}; write to a volume, or start it with readOnlyRoot: false`,
        error
      )
    }
    if (detail?.code === "500" || detail?.code === "400") return problem(method, "BadResource", path, text, error)
    return error
  }

const wrong: Readonly<Record<string, string>> = {
  directory: "it is a directory",
  symlink: "a symbolic link that leads nowhere",
  archive: "the engine's archive is damaged"
}

/** Reads a file, following symbolic links. */
export const readFile = (
  client: DockerClient,
  id: string,
  path: string
): Stream.Stream<Uint8Array, ExecError | PlatformError.PlatformError> => {
  const ofThis = ofPath("readFile", path)
  const at = (place: string) => Tar.file(Stream.mapError(client.getArchive(id, place), ofThis))
  // As the engine resolves it, with all links on the way.
  const linked = Effect.map(Effect.mapError(client.stat(id, path), ofThis), (found) => at(found?.linkTarget ?? path))
  return at(path).pipe(
    Stream.catchIf(
      (error) => error._tag === "NotAFile" && error.type === "symlink",
      () => Stream.unwrap(linked)
    ),
    Stream.catchTag("NotAFile", ({ cause, type }) =>
      Stream.fail(problem("readFile", "BadResource", path, wrong[type] ?? "it is no regular file", cause))
    )
  )
}

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === "string" ? new TextEncoder().encode(content) : content

/** Writes a file. */
export const writeFile = <E, R>(
  client: DockerClient,
  id: string,
  path: string,
  content: Content<E, R>,
  { gid, mode = 0o644, uid }: WriteOptions & { readonly uid: number; readonly gid: number }
): Effect.Effect<void, ExecError | PlatformError.PlatformError | E, R> => {
  const name = Path.basename(path)
  const directory = Path.dirname(path)
  if (!Path.isAbsolute(path) || name === "") {
    return Effect.fail(problem("writeFile", "BadResource", path, "the path has to be absolute and name a file"))
  }
  const put = (tar: Uint8Array | AsyncIterable<Uint8Array>) =>
    Effect.mapError(client.putArchive(id, directory, tar), ofPath("writeFile", path))
  if (typeof content === "string" || content instanceof Uint8Array) {
    const body = bytesOf(content)
    return Effect.flatMap(
      Effect.promise(() => packTar([{ header: { name, mode, uid, gid, size: body.length }, body }])),
      put
    )
  }
  return Effect.suspend(() => {
    const { bytes, size } = content
    let left = size
    let failed: { readonly error: E } | undefined
    const counted = bytes.pipe(
      Stream.tap((chunk) => Effect.sync(() => void (left -= chunk.length))),
      Stream.tapError((error) => Effect.sync(() => void (failed = { error })))
    )
    const stop = new AbortController()
    const whyNot = (
      error: ExecError | PlatformError.PlatformError
    ): Effect.Effect<never, ExecError | PlatformError.PlatformError | E> => {
      if (failed !== undefined) return Effect.fail(failed.error)
      // What is wrong with the archive has neither a status of the engine nor a code of its socket.
      const isOfArchive = error._tag === "ExecError" && error.reason.detail?.code === "EIO"
      return Effect.fail(
        isOfArchive && left !== 0
          ? problem("writeFile", "BadResource", path, `the stream is not of ${size} bytes`)
          : error
      )
    }
    return Stream.toReadableStreamEffect(counted).pipe(
      Effect.flatMap((readable) => put(Tar.pack({ name, mode, uid, gid, size }, readable, stop.signal))),
      Effect.catch(whyNot),
      // Whoever makes the bytes is told that nobody takes them any more.
      Effect.ensuring(Effect.sync(() => stop.abort()))
    )
  })
}
