/**
 * What a number stands for at the client.
 */
import type { ExecError } from "effect-exec/ExecError"
import type { Frame } from "../Frame.ts"
import type { ServerMessage } from "../Wire.ts"

export interface Channel {
  /** A message about it. True when it is the last one, or what is wrong with it. */
  readonly message: (message: ServerMessage) => boolean | string
  /** Output, or credit for stdin. What is wrong with it, if anything is. */
  readonly frame?: (frame: Frame) => string | undefined
  /** The session is over. `started` says whether the server may have seen the message that opened the channel. */
  readonly lose: (error: ExecError, started: boolean) => void
}
