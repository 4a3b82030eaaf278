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
  /** Processes of a capsule at a time, attached and detached. One more is `LimitReached`. */
  readonly processes: number
  /** Channels of a session at a time; each may be a process. One more is `LimitReached`. */
  readonly channels: number
  /**
   * Sockets that have not said who they are. When one more comes the oldest is closed with 4408: who is slow gives way, so
   * that strangers cannot keep clients out.
   */
  readonly strangers: number
  /**
   * Messages of a client in a second; binary frames count for a twentieth. Whoever sends more is read more slowly, and loses
   * nothing.
   */
  readonly messages: number
  /** Bytes of the names and values of a command's environment. More is `InvalidCommand`. */
  readonly environment: number
  /** Bytes of a path: what the kernel takes. More is `InvalidCommand`. */
  readonly path: number
  /** Bytes of the ring of a detached process. More is `InvalidCommand`. */
  readonly ring: number
  /** Bytes of stdin that each channel may have under way at first. */
  readonly stdinWindow: number
  /** Bytes of a text frame, which ends the session with 1009 beyond it. */
  readonly message: number
  /** Bytes before a client is welcome: a stranger that sends more costs memory. Closed with 1009. */
  readonly hello: number
  /** Bytes of an HTTP request's body. One more is answered with 413. */
  readonly body: number
  /** Bytes of output of a command that is answered as one, over Wrenn's API: it is kept until the end. Ends the command. */
  readonly output: number
  /** Bytes of a form with a file, over Wrenn's API. One more is answered with 413; streams have no limit. */
  readonly file: number
  /** Bytes of messages that a client has not acknowledged: its window of data, and 8 MiB of answers. Ends the session. */
  readonly kept: number
  /** How long a session without a socket lives, in milliseconds: longer than a client tries to come back. */
  readonly grace: number
  /**
   * How long a stranger has, in milliseconds, for the head of a request, and from an upgrade to its Hello; and anybody for the
   * body of a request, unless that is a file. Answered with 408, or closed with 4408.
   */
  readonly greeting: number
  /** How long a client may take for each 16 KiB of a file that it writes over Wrenn's API, in milliseconds. Answered with 408. */
  readonly pace: number
  /**
   * How long a process may have between TERM and KILL, in milliseconds, or it could outlive its client and hold up the end of
   * the server. More is `InvalidCommand`.
   */
  readonly termination: number
  /** How long a client may be silent, in milliseconds: three of its pings. Closed with 4408; it may come back. */
  readonly silence: number
}

/** What is taken where nothing is said. */
export const defaults: Limits = {
  connections: 10_000,
  sessions: 10_000,
  capsules: 1_000,
  processes: 20_000,
  channels: 4_096,
  strangers: 256,
  messages: 5_000,
  environment: 1024 * 1024,
  path: 4_096,
  ring: 64 * 1024 * 1024,
  stdinWindow: initialCredit,
  message: maxMessage,
  hello: 8_192,
  body: 65_536,
  output: 16 * 1024 * 1024,
  file: 100 * 1024 * 1024,
  kept: 24 * 1024 * 1024,
  grace: 30_000,
  greeting: 10_000,
  pace: 30_000,
  termination: 600_000,
  silence: 15_000
}
