/**
 * Writing to the stdin of a process.
 */
import type { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Backend from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import type * as ProcessId from "effect-exec/ProcessId"

export interface Writing extends Pick<Backend.Running, "write" | "closeStdin"> {}

/** `null` is a stdin that was never opened: closing it does nothing, writing to it fails. */
export const make = (id: ProcessId.ProcessId, stdin: Writable | null): Writing => {
  // Made when it is needed: an error that most processes never see costs 1.6 KB, most of it the trace of its making.
  const exited = Effect.suspend(() => Effect.fail(ExecError.make(new ExecError.ProcessExited({ id }))))
  // Whoever writes is told by the callback of the write; without a listener Node would end the whole program.
  stdin?.on("error", () => {})
  return {
    write: (bytes) =>
      Effect.callback((resume) => {
        // Writing after the end would make Node destroy the stream, and with it what is still on its way.
        if (stdin === null || !stdin.writable) return resume(exited)
        if (bytes.byteLength === 0) return resume(Effect.void)
        // The callback comes when the kernel has taken everything, so that what a process that ends cannot take any
        // more is an error here and not a loss in a buffer. Every failure means that nobody can read: EPIPE,
        // ECONNRESET, or a stream that was destroyed when the process exited.
        stdin.write(bytes, (cause) => resume(cause == null ? Effect.void : exited))
      }),
    closeStdin: Effect.sync(() => {
      if (stdin?.writable === true) stdin.end()
    })
  }
}
