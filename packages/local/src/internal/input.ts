/**
 * Writing to the stdin of a process. `null` is one that was never opened: closing it does nothing, writing to it fails.
 */
import type { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import * as ExecError from "effect-exec/ExecError"
import type * as ProcessId from "effect-exec/ProcessId"

/** To be called when it was just opened: without a listener an error would end the whole program. */
export const listen = (stdin: Writable | null): void => {
  // Whoever writes is told by the callback of the write.
  stdin?.on("error", ignored)
}

const ignored = (): void => {}

/** See `Running.write`. */
export const write = (
  id: ProcessId.ProcessId,
  stdin: Writable | null,
  bytes: Uint8Array
): Effect.Effect<void, ExecError.ExecError> => {
  const exited = Effect.suspend(() => Effect.fail(ExecError.make(new ExecError.ProcessExited({ id }))))
  return Effect.callback((resume) => {
    // Writing after the end would make Node destroy the stream, and with it what is still on its way.
    if (stdin === null || !stdin.writable) return resume(exited)
    if (bytes.byteLength === 0) return resume(Effect.void)
    // The callback comes when the kernel has taken everything, so that what a process that ends cannot take any
    // more is an error here and not a loss in a buffer. Every failure means that nobody can read: EPIPE,
    // ECONNRESET, or a stream that was destroyed when the process exited.
    stdin.write(bytes, (cause) => resume(cause == null ? Effect.void : exited))
  })
}

/** See `Running.closeStdin`. */
export const close = (stdin: Writable | null): Effect.Effect<void> =>
  Effect.sync(() => {
    if (stdin?.writable === true) stdin.end()
  })
