/**
 * What this program writes, byte by byte, as fast as it is read.
 */
import * as Effect from "effect/Effect"
import { BrokenPipe, Failure } from "./failure.ts"

/** Which of the two. */
export type Name = "stdout" | "stderr"

// An error is told to whoever wrote; without a listener it would end this program as well.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

/**
 * Writes, and returns when the bytes have been handed to the system: while nobody reads, it waits. Fails with
 * `BrokenPipe` when nobody will any more.
 */
export const write = (name: Name, bytes: Uint8Array | string): Effect.Effect<void, BrokenPipe | Failure> =>
  Effect.callback((resume) => {
    process[name].write(bytes, (cause) => {
      if (cause == null) return resume(Effect.void)
      const { code = "EIO" } = cause as NodeJS.ErrnoException
      resume(
        Effect.fail(gone.has(code) ? new BrokenPipe() : new Failure({ message: `Cannot write to ${name}: ${code}` }))
      )
    })
  })

const gone = new Set(["EPIPE", "ECONNRESET", "ERR_STREAM_DESTROYED", "ERR_STREAM_WRITE_AFTER_END"])

/** A line for people, on standard error. It is lost where nobody reads that. */
export const note = (text: string): Effect.Effect<void> => Effect.ignore(write("stderr", `effect-exec: ${text}\n`))
