/**
 * One socket, as both ends use it: frames in order until it is closed or cut, and never two frames as one.
 */
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ExecError } from "effect-exec/ExecError"

/** One socket. Neither method throws; after the close both do nothing. */
export interface Connection {
  /** Hands a frame to the socket, which keeps it until it could be sent. The bytes must not be changed any more. */
  readonly send: (frame: string | Uint8Array<ArrayBuffer>) => void
  /** Closes it, with a close code and a reason for people of at most 123 bytes. What was sent before still goes out. */
  readonly close: (code: number, reason: string) => void
}

/** What is told of a socket. */
export interface Receiver {
  readonly frame: (frame: string | Uint8Array) => void
  /** The last word. 1006 where it was cut without one. */
  readonly closed: (code: number, reason: string) => void
}

/**
 * Opens a socket; closing the scope closes it, and then nothing more is told of it. Fails when it could not be opened, with
 * words for people.
 */
export type Connect = (receiver: Receiver) => Effect.Effect<Connection, ExecError, Scope.Scope>
