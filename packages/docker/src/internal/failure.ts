/**
 * From what the engine, or the way to it, says to the reason why.
 */
import * as ExecError from "effect-exec/ExecError"

/** Whatever a call to the engine failed with: an HTTP answer, or an error of the socket. */
export interface EngineFailure {
  readonly status?: number | undefined
  /** The platform's name of what went wrong with the connection: `ECONNREFUSED` … */
  readonly code?: string | undefined
  readonly text: string
}

/** What a call was about, for the messages. */
export interface About {
  readonly host: string
  /** The container or image, as the caller named it. */
  readonly sandbox: string
}

const hints: Readonly<Record<string, string>> = {
  ENOENT: "No Docker engine listens there: start it (dockerd, Docker Desktop), or say in DOCKER_HOST where it is.",
  ECONNREFUSED:
    "No Docker engine listens there: start it (dockerd, Docker Desktop), or say in DOCKER_HOST where it is.",
  EACCES: "This user may not open the engine's socket: add it to the group docker and log in again, or run rootless.",
  EPERM: "This user may not open the engine's socket: add it to the group docker and log in again, or run rootless.",
  ENOTFOUND: "The host in DOCKER_HOST is unknown: check its name.",
  ETIMEDOUT: "The engine did not answer in time: see whether it, or the machine, hangs."
}

const unavailable = (host: string, hint: string, code: string, text: string): ExecError.ExecError =>
  ExecError.make(
    new ExecError.BackendUnavailable({
      backend: "docker",
      hint,
      detail: { backend: "docker", code, text: `${host}: ${text}` }
    })
  )

/** The engine cannot be talked to at all. */
export const unreachable = (host: string, hint: string): ExecError.ExecError =>
  unavailable(host, hint, "EINVAL", "this engine cannot be connected to")

/** The error of a call that started nothing. */
export const failure = ({ host, sandbox }: About, { code, status, text }: EngineFailure): ExecError.ExecError => {
  if (status === undefined) {
    const hint = hints[code ?? ""] ?? "See whether the Docker engine runs, and whether DOCKER_HOST is right."
    return unavailable(host, hint, code ?? "EIO", text)
  }
  const detail = { backend: "docker", code: String(status), text }
  if (status === 404) return notFound(sandbox, text)
  if (status === 409 && /is paused/.test(text)) return notRunning(sandbox, "paused", text)
  if (status === 409 && /not running/.test(text)) return notRunning(sandbox, "stopped", text)
  if (status === 400 && /client version/.test(text)) {
    return unavailable(host, "This engine is of a version that cannot be talked to: update it.", "400", text)
  }
  if (status === 403 || status === 401) {
    return unavailable(
      host,
      "The engine refuses this client: check the certificates, or who may use it.",
      detail.code,
      text
    )
  }
  return ExecError.make(new ExecError.StartFailed({ program: sandbox, detail }))
}

/** There is no such container or image. */
export const notFound = (sandbox: string, text: string): ExecError.ExecError =>
  ExecError.make(new ExecError.SandboxNotFound({ sandbox, detail: { backend: "docker", code: "404", text } }))

/** The container exists, but nothing can run in it. */
export const notRunning = (sandbox: string, state: string, text?: string): ExecError.ExecError =>
  ExecError.make(
    new ExecError.SandboxNotRunning({
      sandbox,
      state,
      detail: { backend: "docker", code: "409", ...(text === undefined ? {} : { text }) }
    })
  )

/** It cannot be done, and what to do instead. */
export const unsupported = (feature: string, text: string): ExecError.ExecError =>
  ExecError.make(new ExecError.Unsupported({ feature, detail: { backend: "docker", text } }))
