/**
 * What a server bounds, and why. Whoever goes over a limit is told so; his neighbours do not notice.
 */
import { initialCredit } from "@effect-exec/capsule/Inbox"
import { maxMessage } from "@effect-exec/capsule/Wire"

/** What a server bounds. */
export interface Limits {
  /** Sockets at a time, of all capsules together. One more is closed with 4429. */
  readonly connections: number
  /** Sessions at a time, of all capsules together; an idle one costs 8 KiB. One more is closed with 4429. */
  readonly sessions: number
  /** Capsules at a time. One more is `LimitReached`, as all that follow. */
  readonly capsules: number
  /** Channels of a session at a time; each may be a process. */
  readonly channels: number
  /** Bytes of stdin that each channel may have under way at first. */
  readonly stdinWindow: number
  /** Bytes of a text frame, which ends the session with 1009 beyond it. */
  readonly message: number
  /** Bytes before a client is welcome: a stranger that sends more costs memory. Closed with 1009. */
  readonly hello: number
  /** Bytes of an HTTP request's body. One more is answered with 413. */
  readonly body: number
  /** Bytes of messages that a client has not acknowledged: its window of data, and 8 MiB of answers. Ends the session. */
  readonly kept: number
  /** How long a session without a socket lives, in milliseconds: longer than a client tries to come back. */
  readonly grace: number
  /**
   * How long a stranger has, in milliseconds, for the head of a request, and from an upgrade to its Hello. Answered with 408,
   * or closed with 4408.
   */
  readonly greeting: number
  /** How long a client may be silent, in milliseconds: three of its pings. Closed with 4408; it may come back. */
  readonly silence: number
}

/** What is taken where nothing is said. */
export const defaults: Limits = {
  connections: 10_000,
  sessions: 10_000,
  capsules: 1_000,
  channels: 4_096,
  stdinWindow: initialCredit,
  message: maxMessage,
  hello: 8_192,
  body: 65_536,
  kept: 24 * 1024 * 1024,
  grace: 30_000,
  greeting: 10_000,
  silence: 15_000
}
