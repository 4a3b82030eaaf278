/**
 * **How** to run a command. They mean the same for `run`, `stream`, `spawn` and `detach`; only the defaults differ
 * (`Exec.Defaults`): a timeout and an output cap by default are `run`'s alone.
 */
import type * as Duration from "effect/Duration"
import type * as Stream from "effect/Stream"
import type { ProcessId } from "./ProcessId.ts"

/**
 * What becomes of the rest of the tree when the process itself exits.
 *
 * - `"kill"`: it is killed, then the output is read to its end. The default: nothing is left behind.
 * - `"drain"`: it lives on, and what it writes is still read: the end comes when nobody holds the output open any more.
 *   What is left then is ended with the scope of the process.
 * - `"await"`: the end is the end of the whole tree.
 * - `"leave"`: it lives on with its output closed, until the layer's scope closes.
 */
export type Lingering = "kill" | "drain" | "await" | "leave"

/** What the ring of a detached process does when it is full: forget the oldest bytes, or make the process wait. */
export type Overflow = "evict" | "block"

/** How to run a command. */
export interface ExecOptions<out E = never, out R = never> {
  /** Your own identity for the process; a random one by default. Detaching twice with one id starts once. */
  readonly id?: ProcessId | undefined
  /**
   * What the process reads: text, bytes, or a stream of bytes; at end-of-file at once by default. When the stream
   * fails, the tree is ended and the effect fails with that error.
   */
  readonly stdin?: string | Uint8Array | Stream.Stream<Uint8Array, E, R> | undefined
  /** The longest it may take; then its tree gets TERM, and KILL after `grace`. `Duration.infinity` for no limit. */
  readonly timeout?: Duration.Input | undefined
  /** The time between TERM and KILL, measured until the tree is gone. */
  readonly grace?: Duration.Input | undefined
  /** The most bytes of output to take, both streams together; past it the tree is ended. `Infinity` for no limit. */
  readonly maxOutput?: number | undefined
  /** What becomes of the rest of the tree when the process itself exits. `"kill"` by default. */
  readonly lingering?: Lingering | undefined
}

/** How to spawn a process that one holds a handle of. */
export interface SpawnOptions<out E = never, out R = never> extends ExecOptions<E, R> {
  /**
   * As everywhere, and `"open"`: stdin stays open for `write` until `closeStdin`. (To send just these four letters,
   * pass them as bytes.)
   */
  readonly stdin?: "open" | string | Uint8Array | Stream.Stream<Uint8Array, E, R> | undefined
  /** A name for people, free to choose; `exec-` and eight digits by default. */
  readonly tag?: string | undefined
}

/** How to detach a process. */
export interface DetachOptions<out E = never, out R = never> extends SpawnOptions<E, R> {
  /** The capacity of its ring in bytes, both streams together. */
  readonly ring?: number | undefined
  /** What the ring does when it is full. `"evict"` by default. */
  readonly overflow?: Overflow | undefined
}

/** How to kill. */
export interface KillOptions {
  /** By name or Linux number. `"SIGTERM"` by default. */
  readonly signal?: string | number | undefined
  /** `"tree"`, the default, reaches all descendants that the backend can see; `"process"` the process alone. */
  readonly scope?: "process" | "tree" | undefined
  /** Waits this long for the end, then kills the tree, and returns when it is gone. Absent: sends the signal only. */
  readonly grace?: Duration.Input | undefined
}
