/**
 * What a server bounds, and why.
 */
import { initialCredit } from "@effect-exec/capsule/Inbox"
import { maxMessage } from "@effect-exec/capsule/Wire"

export interface Limits {
  /** Sessions at a time; an idle one costs 8 KiB. */
  readonly sessions: number
  /** Channels of a session at a time; each may be a process. */
  readonly channels: number
  /** Bytes of a text frame. */
  readonly message: number
  /** Bytes of stdin that each channel may have under way at first. */
  readonly stdinWindow: number
  /** How long a session without a socket lives, in milliseconds: longer than a client tries to come back. */
  readonly grace: number
  /** How long a socket may stay without a Hello, in milliseconds: a stranger that says nothing costs one. */
  readonly greeting: number
  /** How long a client may be silent, in milliseconds: three of its pings. */
  readonly silence: number
  /** Bytes of messages that a client has not acknowledged: its window of data, and 8 MiB of answers. */
  readonly kept: number
}

export const defaults: Limits = {
  sessions: 10_000,
  channels: 4_096,
  message: maxMessage,
  stdinWindow: initialCredit,
  grace: 30_000,
  greeting: 10_000,
  silence: 15_000,
  kept: 24 * 1024 * 1024
}
