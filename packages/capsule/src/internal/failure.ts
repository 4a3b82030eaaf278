/**
 * What can go wrong between a client and its capsule, as the core's reasons.
 */
import * as ExecError from "effect-exec/ExecError"
import { closeCodes } from "../Wire.ts"

/** The name of the backend in spans and errors. */
export const backend = "capsule"

/** Why a socket or a session is over: a close code and words. */
export interface Loss {
  readonly code: number
  readonly text: string
}

const detail = ({ code, text }: Loss) => ({ backend, code: String(code), text })

/** The server could not be reached, or sends everybody away. */
export const unavailable = (loss: Loss, hint: string): ExecError.ExecError =>
  ExecError.make(new ExecError.BackendUnavailable({ backend, hint, detail: detail(loss) }))

/** Whether it may have been only this socket: nobody answered, or what answered was cut off. */
export const isCut = ({ reason }: ExecError.ExecError): boolean =>
  reason._tag === "BackendUnavailable" && reason.detail?.code === "1006"

const hints: Readonly<Record<number, string>> = {
  [closeCodes.unauthorized]: "Give the token that the server was started with.",
  [closeCodes.forbidden]: "The server does not take connections from this Origin; add it to the server's list.",
  [closeCodes.goingAway]: "The server is shutting down; try again later, or at another one."
}

/** Why there is no session: the socket was closed before the Welcome. */
export const refused = (loss: Loss): ExecError.ExecError => {
  switch (loss.code) {
    case closeCodes.noCapsule:
      return ExecError.make(new ExecError.SandboxNotFound({ sandbox: loss.text }))
    case closeCodes.tooMany:
      return ExecError.make(new ExecError.LimitReached({ limit: "sessions of the server", detail: detail(loss) }))
    default:
      return unavailable(loss, hints[loss.code] ?? "Is it really a capsule server that listens there?")
  }
}

/** What becomes of whatever was under way when the session ended. */
export const lost = (loss: Loss, started: boolean): ExecError.ExecError => {
  switch (loss.code) {
    case closeCodes.wrongFrame:
      return ExecError.make(new ExecError.ProtocolViolation({ problem: loss.text, detail: detail(loss) }))
    case closeCodes.noCapsule:
      return ExecError.make(new ExecError.SandboxNotFound({ sandbox: loss.text }))
    default:
      return ExecError.make(new ExecError.ConnectionLost({ started, detail: detail(loss) }))
  }
}

/** The layer was closed. */
export const closed: ExecError.ExecError = ExecError.make(new ExecError.Closed({ what: "connection to the capsule" }))
