/**
 * Tar archives, in which the engine takes and gives files.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createTarDecoder, createTarPacker, type TarHeader } from "modern-tar"

/**
 * An archive of one file, whose bytes come as a stream of exactly the size that the header says: else it fails. The
 * stream is cancelled when the signal is given before its end.
 */
export const pack = (
  header: TarHeader,
  bytes: ReadableStream<Uint8Array>,
  signal: AbortSignal
): ReadableStream<Uint8Array> => {
  const { controller, readable } = createTarPacker()
  bytes.pipeTo(controller.add(header), { signal }).then(
    () => controller.finalize(),
    (cause) => controller.error(cause)
  )
  return readable
}

/** An archive that holds no file, but what its type says; or none that can be read, for this cause. */
export class NotAFile extends Data.TaggedError("NotAFile")<{ readonly type: string; readonly cause?: unknown }> {}

/** The bytes of the one file of an archive. */
export const file = <E>(archive: Stream.Stream<Uint8Array, E>): Stream.Stream<Uint8Array, E | NotAFile> =>
  Stream.suspend(() => {
    let failed: { readonly error: E } | undefined
    const bytes = Stream.tapError(archive, (error) => Effect.sync(() => void (failed = { error })))
    return Stream.fromAsyncIterable(unpack(Stream.toReadableStream(bytes)), (cause) =>
      failed !== undefined ? failed.error : cause instanceof NotAFile ? cause : new NotAFile({ type: "archive", cause })
    )
  })

async function* unpack(archive: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const { body, header } of archive.pipeThrough(createTarDecoder({ strict: true }))) {
    const { type = "file" } = header
    if (type !== "file") throw new NotAFile({ type })
    yield* body
    return
  }
  throw new NotAFile({ type: "archive", cause: "it is empty" })
}
