/**
 * Reading both streams of a process on demand. A consumer that stops pulling stops the kernel's pipe, and that stops
 * the process: at most some 200 KiB wait here.
 */
import type { Readable } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Backend from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"

export interface Reading {
  /** See `Running.pull`. */
  readonly pull: Backend.Running["pull"]
  /** See `Running.closeOutput`. */
  readonly close: () => void
}

// Past this, bytes stay in Node's own buffers, 64 KiB per stream, then in the kernel's.
const maxQueued = 64 * 1024

/** Takes the bytes as the receiver's own. */
const own = (chunk: Buffer): Uint8Array =>
  // A plain array, because the `slice` of a Buffer does not copy; and not a part of Node's pool of small buffers, which
  // a receiver that transfers what it owns would take away from everybody.
  chunk.byteLength === chunk.buffer.byteLength
    ? new Uint8Array(chunk.buffer, 0, chunk.byteLength)
    : new Uint8Array(chunk)

/**
 * Begins to listen at once. By `readable` and `read()`, not by `data` and `pause()`: when a process exits Node resumes
 * its paused streams, and hands out what they hold to whoever listens.
 */
export const make = (stdout: Readable, stderr: Readable): Reading => {
  let queue: Array<Backend.Output> = []
  let queued = 0
  let ended = 0
  let closed = false
  let lost: ExecError.ExecError | undefined
  let wake: (() => void) | undefined

  // Each stream is emptied when it says that it has something, so that what came first stays first.
  const take = (fd: 1 | 2, stream: Readable, room: number): void => {
    while (queued < room) {
      const chunk = stream.read() as Buffer | null
      if (chunk === null) return
      queued += chunk.byteLength
      queue.push({ fd, bytes: own(chunk) })
    }
  }

  const attach = (fd: 1 | 2, stream: Readable): void => {
    stream.on("readable", () => {
      take(fd, stream, maxQueued)
      if (queue.length > 0) wake?.()
    })
    // `close` follows the end as well as an error.
    stream.once("close", () => {
      ended++
      wake?.()
    })
    stream.once("error", (cause: NodeJS.ErrnoException) => {
      lost ??= ExecError.make(
        new ExecError.ConnectionLost({
          started: true,
          detail: { backend: "local", code: cause.code ?? "unknown", text: `reading from file descriptor ${fd}` }
        })
      )
    })
  }
  attach(1, stdout)
  attach(2, stderr)

  const mustWait = (): boolean => queue.length === 0 && !closed && ended < 2

  const arrived = Effect.callback<void>((resume) => {
    // A fiber may yield to others between its look and this.
    if (!mustWait()) return resume(Effect.void)
    wake = () => {
      wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      wake = undefined
    })
  })

  // `sync` gives its value to the consumer in the same step, so that no interruption can come between and lose it.
  const takeQueue = Effect.sync(() => {
    const taken = queue as [Backend.Output, ...Array<Backend.Output>]
    queue = []
    queued = 0
    return taken
  })

  const pull: Reading["pull"] = Effect.suspend(() => {
    if (queue.length === 0 && !closed) {
      take(1, stdout, maxQueued)
      take(2, stderr, maxQueued)
    }
    if (queue.length > 0) return takeQueue
    if (mustWait()) return Effect.flatMap(arrived, () => pull)
    return lost === undefined ? Cause.done() : Effect.fail(lost)
  })

  const close = (): void => {
    if (closed) return
    take(1, stdout, Infinity)
    take(2, stderr, Infinity)
    closed = true
    // Each emits `close`, which wakes a pull that waits.
    stdout.destroy()
    stderr.destroy()
  }

  return { pull, close }
}
