/**
 * What an agent is reached by: bytes in both directions, from whatever could start one with a stdin and a stdout.
 */
import type * as Effect from "effect/Effect"

/** Why a pipe failed: the platform's own code and words. */
export interface PipeFailure {
  readonly code?: string
  readonly text?: string
}

/**
 * A duplex pipe of bytes, for one `Agent.connect`.
 *
 * Reading pushes and writing waits, because that is what the other side needs: the client takes every chunk at once,
 * whatever its commands' consumers do (how much may come is metered by credit), so that there is nothing to wait for; and
 * it writes one batch at a time.
 */
export interface Pipe {
  /**
   * Reads until the end, calling back with each chunk. It may use one buffer for all of them: a chunk is borrowed until
   * the callback returns. Succeeds at the end of the bytes. Run once.
   */
  readonly read: (take: (chunk: Uint8Array) => void) => Effect.Effect<void, PipeFailure>
  /** Writes all of it; ends when the buffer may be used again and more may be written. One at a time. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, PipeFailure>
  /**
   * Closes the direction to the agent, which kills all that it started when it reads the end, and ends itself. Must
   * not wait for that, nor fail. Idempotent.
   */
  readonly end: Effect.Effect<void>
  /**
   * Told whether somebody has a command there: true before the first one starts, false after the last one was given up
   * (what `lingering: "leave"` left behind does not count). A host whose program ends when it has nothing to wait for keeps it
   * alive meanwhile, and only then.
   */
  readonly hold?: (busy: boolean) => void
  /**
   * Opens a pipe that the agent has open, by its number there, where agent and client are on one machine; then the client reads
   * a busy command's output itself, and it makes no detour through the agent. `undefined` when that cannot be: the
   * agent goes on, and no further pipe is asked for. Must not wait.
   *
   * It begins to read by itself, after this call.
   */
  readonly adopt?: (pid: number, fd: number, reader: Reader) => Adopted | undefined
}

/** Where the bytes of an adopted pipe go. */
export interface Reader {
  /** Bytes, the reader's own from now on. False when it wants no more before `resume`. */
  readonly take: (bytes: Uint8Array) => boolean
  /** All that came at once was given. */
  readonly flush: () => void
  /** The end of the bytes, or why there are no more; the pipe is closed then. Called once, unless it was closed before. */
  readonly ended: (failure?: PipeFailure) => void
}

/** A pipe that is read here. */
export interface Adopted {
  /** Reads on. */
  readonly resume: () => void
  /** Gives what is in the pipe, at most as much as one holds (1 MiB), at once and even if the reader wants no more. */
  readonly drain: () => void
  /** Closes it, after which nothing is given or called any more. Idempotent. */
  readonly close: () => void
}
