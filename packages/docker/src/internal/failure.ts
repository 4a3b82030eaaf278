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
  /** The container or image, as the caller named it; absent where it is the engine itself. */
  readonly sandbox?: string | undefined
}

const noListener =
  "No Docker engine listens there: start it (dockerd, Docker Desktop), or say in DOCKER_HOST where it is."
const noPermission =
  "This user may not open the engine's socket: add it to the group docker and log in again, or run rootless."
const noTrust =
  "The certificate of the engine is not one that ca.pem vouches for, or not for this name: check DOCKER_CERT_PATH and DOCKER_HOST."
const noTls = "One side speaks TLS and the other does not: check DOCKER_TLS_VERIFY and the port in DOCKER_HOST."
const refusedClient = "The engine refuses this client: check the certificates, or who may use it."
const noEngine = "What answers there is no Docker engine, or one that is too old: see DOCKER_HOST."
const otherVersion = "This engine is of a version that cannot be talked to: update it, or this package."

const hints: Readonly<Record<string, string>> = {
  ENOENT: noListener,
  ECONNREFUSED: noListener,
  EACCES: noPermission,
  EPERM: noPermission,
  ENOTFOUND: "The host in DOCKER_HOST is unknown: check its name.",
  EAI_AGAIN: "The host in DOCKER_HOST could not be looked up: see whether the network is there.",
  EHOSTUNREACH: "There is no way to the host in DOCKER_HOST: see whether the network, or the VPN, is there.",
  ENETUNREACH: "There is no way to the host in DOCKER_HOST: see whether the network, or the VPN, is there.",
  ETIMEDOUT: "The engine did not answer in time: see whether it, or the machine, hangs.",
  EPROTO: noTls,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  HPE_INVALID_CONSTANT: noTls,
  SELF_SIGNED_CERT_IN_CHAIN: noTrust,
  DEPTH_ZERO_SELF_SIGNED_CERT: noTrust,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: noTrust,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: noTrust,
  CERT_HAS_EXPIRED: noTrust,
  ERR_TLS_CERT_ALTNAME_INVALID: noTrust
}

const hintOf = (code: string): string =>
  hints[code] ??
  // The other end ends the handshake of a client whose certificate it does not accept.
  (/^ERR_SSL_.*(CERTIFICATE|UNKNOWN_CA)/.test(code) ? refusedClient : undefined) ??
  "See whether the Docker engine runs, and whether DOCKER_HOST is right."

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

// Sentences and not single words: a container may have any of these as its name.
const states: ReadonlyArray<readonly [RegExp, string]> = [
  [/is paused|start a paused container/, "paused"],
  [/is restarting, wait until/, "restarting"],
  [/removal of container .* is already in progress|is marked for removal/, "removing"],
  [/is not running/, "stopped"]
]

/** The error of a call that started nothing. */
export const failure = ({ host, sandbox }: About, { code, status, text }: EngineFailure): ExecError.ExecError => {
  if (status === undefined) return unavailable(host, hintOf(code ?? ""), code ?? "EIO", text)
  const detail = { backend: "docker", code: String(status), text }
  if (status === 401 || status === 403) return unavailable(host, refusedClient, detail.code, text)
  // Of the engine itself nothing is ever missing: somebody else answers, or an engine that knows no such call.
  if (sandbox === undefined || (status === 404 && /page not found/.test(text))) {
    return unavailable(host, noEngine, detail.code, text)
  }
  if (status === 400 && /client version|HTTP request to an HTTPS server/.test(text)) {
    return unavailable(host, /HTTPS/.test(text) ? noTls : otherVersion, detail.code, text)
  }
  // Of whoever stands before the engine, which is being restarted, or is too busy.
  if (status === 502 || status === 503 || status === 504) return unavailable(host, hintOf(""), detail.code, text)
  // An engine forgets the execs of a container that stops.
  if (status === 404 && /No such exec instance/i.test(text)) return notRunning(sandbox, "stopped", text, detail.code)
  if (status === 404) return notFound(sandbox, text)
  const [, state] = (status === 409 && states.find(([words]) => words.test(text))) || []
  if (state !== undefined) return notRunning(sandbox, state, text)
  const [, user] = /unable to find (?:user|group) ([^:]+): no matching entries/.exec(text) ?? []
  if (user !== undefined) return ExecError.make(new ExecError.UserNotFound({ user, detail }))
  return ExecError.make(new ExecError.StartFailed({ program: sandbox, detail }))
}

/** There is no such container or image. */
export const notFound = (sandbox: string, text: string): ExecError.ExecError =>
  ExecError.make(new ExecError.SandboxNotFound({ sandbox, detail: { backend: "docker", code: "404", text } }))

/** The container exists, but nothing can run in it. */
export const notRunning = (sandbox: string, state: string, text?: string, code = "409"): ExecError.ExecError =>
  ExecError.make(
    new ExecError.SandboxNotRunning({
      sandbox,
      state,
      detail: { backend: "docker", code, ...(text === undefined ? {} : { text }) }
    })
  )

const statuses: Readonly<Record<string, string>> = { exited: "stopped", created: "not started yet" }

/** The same, by what the engine says of the container. */
export const notRunningAs = (name: string, status: string): ExecError.ExecError =>
  notRunning(name, statuses[status] ?? status)

/** It cannot be done, and what to do instead. */
export const unsupported = (feature: string, text: string): ExecError.ExecError =>
  ExecError.make(new ExecError.Unsupported({ feature, detail: { backend: "docker", text } }))
