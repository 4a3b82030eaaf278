/**
 * Reading both streams of a process on demand. A consumer that stops pulling stops the kernel's pipe, and that stops
 * the process: at most some 200 KiB wait here.
 */
import type { Readable } from "node:stream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Backend from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"

// Past this, bytes stay in Node's own buffers, 64 KiB per stream, then in the kernel's.
const maxQueued = 64 * 1024

/** Takes the bytes as the receiver's own. */
const own = (chunk: Buffer): Uint8Array =>
  // A plain array, because the `slice` of a Buffer does not copy; and not a part of Node's pool of small buffers, which
  // a receiver that transfers what it owns would take away from everybody.
  chunk.byteLength === chunk.buffer.byteLength
    ? new Uint8Array(chunk.buffer, 0, chunk.byteLength)
    : new Uint8Array(chunk)

// Methods and not closures, of which a thousand quiet processes would hold a dozen each.
export class Output {
  private readonly stdout: Readable
  private readonly stderr: Readable
  private queue: Array<Backend.Output> = []
  private queued = 0
  private ended = 0
  private isClosed = false
  private lost: ExecError.ExecError | undefined
  // Who waits in a fiber, and who does not and wants to be told once.
  private resume: ((effect: Effect.Effect<void>) => void) | undefined
  private sleeper: Pick<Backend.Listener, "readable"> | undefined

  /**
   * Begins to listen at once. By `readable` and `read()`, not by `data` and `pause()`: when a process exits Node resumes
   * its paused streams, and hands out what they hold to whoever listens.
   */
  constructor(stdout: Readable, stderr: Readable) {
    this.stdout = stdout
    this.stderr = stderr
    this.attach(1, stdout)
    this.attach(2, stderr)
  }

  private attach(fd: 1 | 2, stream: Readable): void {
    stream.on("readable", () => {
      this.take(fd, stream, maxQueued)
      if (this.queue.length > 0) this.wake()
    })
    // `close` follows the end as well as an error, once.
    stream.on("close", () => {
      this.ended++
      this.wake()
    })
    stream.on("error", (cause: NodeJS.ErrnoException) => {
      this.lost ??= ExecError.make(
        new ExecError.ConnectionLost({
          started: true,
          detail: { backend: "local", code: cause.code ?? "unknown", text: `reading from file descriptor ${fd}` }
        })
      )
    })
  }

  // Each stream is emptied when it says that it has something, so that what came first stays first.
  private take(fd: 1 | 2, stream: Readable, room: number): void {
    while (this.queued < room) {
      const chunk = stream.read() as Buffer | null
      if (chunk === null) return
      this.queued += chunk.byteLength
      this.queue.push({ fd, bytes: own(chunk) })
    }
  }

  private takeBoth(room: number): void {
    this.take(1, this.stdout, room)
    this.take(2, this.stderr, room)
  }

  private wake(): void {
    const { resume, sleeper } = this
    this.resume = undefined
    this.sleeper = undefined
    resume?.(Effect.void)
    sleeper?.readable()
  }

  private get mustWait(): boolean {
    return this.queue.length === 0 && !this.isClosed && this.ended < 2
  }

  /** See `Running.pull`. */
  get pull(): Backend.Running["pull"] {
    return Effect.suspend(() => this.next())
  }

  private next(): Backend.Running["pull"] {
    if (this.queue.length === 0 && !this.isClosed) this.takeBoth(maxQueued)
    if (this.queue.length > 0) return this.takeQueue
    if (this.mustWait) return Effect.flatMap(this.arrived, () => this.next())
    return this.lost === undefined ? Cause.done() : Effect.fail(this.lost)
  }

  // `sync` gives its value to the consumer in the same step, so that no interruption can come between and lose it.
  private get takeQueue(): Backend.Running["pull"] {
    return Effect.sync(() => {
      const taken = this.queue as [Backend.Output, ...Array<Backend.Output>]
      this.queue = []
      this.queued = 0
      return taken
    })
  }

  private get arrived(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      // A fiber may yield to others between its look and this.
      if (!this.mustWait) return resume(Effect.void)
      this.sleeper = undefined
      this.resume = resume
      return Effect.sync(() => {
        this.resume = undefined
      })
    })
  }

  /** See `Running.whenReadable`. */
  whenReadable(listener: Pick<Backend.Listener, "readable">): boolean {
    if (this.queue.length === 0 && !this.isClosed) this.takeBoth(maxQueued)
    if (!this.mustWait) return false
    this.sleeper = listener
    return true
  }

  /** See `Running.closeOutput`. */
  close(): void {
    if (this.isClosed) return
    this.takeBoth(Infinity)
    this.isClosed = true
    // Each emits `close`, which wakes a pull that waits.
    this.stdout.destroy()
    this.stderr.destroy()
  }
}
