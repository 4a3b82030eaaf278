/**
 * What can go wrong with a capsule of Wrenn's API, as the core's reasons.
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ExecError from "effect-exec/ExecError"
import * as WrennWire from "../../WrennWire.ts"

/** The name of the backend in spans and errors. */
export const backend = "wrenn"

const decode = Schema.decodeUnknownOption(WrennWire.Failure)

/** It could not be reached, or wants to see something else. */
export const unavailable = (
  text: string,
  hint = "Does the service listen there, and can it be reached from here?",
  code?: string
) => ExecError.make(new ExecError.BackendUnavailable({ backend, hint, detail: detailOf(text, code) }))

const detailOf = (text: string, code: string | undefined): ExecError.Detail =>
  code === undefined ? { backend, text } : { backend, code, text }

/** The connection was lost: whether and how the command ended is unknown. */
export const lost = (text: string, started = true, code?: string): ExecError.ExecError =>
  ExecError.make(new ExecError.ConnectionLost({ started, detail: detailOf(text, code) }))

/** The layer was closed. */
export const closed: ExecError.ExecError = ExecError.make(new ExecError.Closed({ what: "connection to the capsule" }))

/** What was asked for, to say it in an error. */
export interface Asked {
  readonly capsule: string
  /** Of a command that was to start. */
  readonly program?: string | undefined
  readonly cwd?: string | undefined
  readonly tag?: string | undefined
  readonly selector?: string | undefined
}

/** Nobody answered, or with nothing that helps. Of a command that was to start nobody knows whether it did. */
export const unanswered = (text: string, { program }: Asked, code?: string): ExecError.ExecError =>
  program === undefined ? unavailable(text, undefined, code) : lost(text, true, code)

interface Said {
  readonly status: number
  readonly code: string
  readonly text: string
  /** Of the capsule, where it is said. */
  readonly state?: string | undefined
}

const state = /\(status: (\w+)\)/

/** What a failed request is. Both generations of the service are known, by their codes. */
export const ofResponse = (status: number, body: unknown, asked: Asked): ExecError.ExecError => {
  const failure = Option.getOrUndefined(decode(body))?.error
  if (failure?.exec_error !== undefined) return failure.exec_error
  const { code = String(status), details = {}, message: text = `HTTP status ${status}` } = failure ?? {}
  const told = details["status"]
  return ofWords({ status, code, text, state: typeof told === "string" ? told : state.exec(text)?.[1] }, asked)
}

const reasonOf = ({ code, state, status, text }: Said, asked: Asked): ExecError.Reason | undefined => {
  const { capsule, cwd, program, selector, tag } = asked
  const detail = { backend, code, text }
  if (cwd !== undefined && noDirectory.test(text)) return new ExecError.CwdNotFound({ cwd, detail })
  switch (code) {
    case "sandbox_not_found":
      return new ExecError.SandboxNotFound({ sandbox: capsule, detail })
    case "template_not_found":
      return new ExecError.InvalidCommand({ field: "template", problem: text, detail })
    case "not_found":
      if (/^template/i.test(text)) return new ExecError.InvalidCommand({ field: "template", problem: text, detail })
      return selector === undefined || /^sandbox/i.test(text)
        ? new ExecError.SandboxNotFound({ sandbox: capsule, detail })
        : new ExecError.ProcessNotFound({ selector, detail })
    case "invalid_state":
    case "sandbox_not_running":
    case "sandbox_not_paused":
      return new ExecError.SandboxNotRunning({ sandbox: capsule, state: state ?? "not in a state for that", detail })
    case "invalid_request":
    case "validation_failed":
    case "too_large":
    case "payload_too_large":
      return new ExecError.InvalidCommand({ field: "request", problem: text, detail })
    case "conflict":
    case "already_exists":
      return tag === undefined ? undefined : new ExecError.TagInUse({ tag, detail })
    case "rate_limited":
    case "capacity_unavailable":
    case "no_hosts_available":
      return new ExecError.LimitReached({ limit: "what the service allows", detail })
    default:
      if (status === 501) return new ExecError.Unsupported({ feature: "this request", detail })
      // The agent itself has refused it. That it took too long is no refusal.
      return program === undefined || code !== "agent_error" || /deadline/i.test(text)
        ? undefined
        : new ExecError.StartFailed({ program, detail })
  }
}

const noDirectory = /\bcwd\b.*does not exist/

// Before anybody was asked to start anything.
const isBefore = ({ status }: Said): boolean => status === 503 || status === 408

const ofWords = (said: Said, asked: Asked): ExecError.ExecError => {
  const { code, status, text } = said
  if (status === 401 || status === 403) return unavailable(text, "Give an API key that this service takes.", code)
  const reason = reasonOf(said, asked)
  if (reason !== undefined) return ExecError.make(reason)
  return isBefore(said) ? unavailable(text, undefined, code) : unanswered(text, asked, code)
}

/** What an `error` event says, which has no code. */
export const ofEvent = ({ data = "", exec_error }: WrennWire.ProcessEvent, asked: Asked): ExecError.ExecError => {
  if (exec_error !== undefined) return exec_error
  const told = state.exec(data)?.[1]
  const [status, code] = data.startsWith("authentication")
    ? [401, "unauthorized"]
    : told !== undefined
      ? [409, "invalid_state"]
      : data.endsWith("not found")
        ? [404, "not_found"]
        : data.endsWith("host is not reachable")
          ? [503, "host_unavailable"]
          : data.startsWith("first message") || data.startsWith("failed to read start message")
            ? [400, "invalid_request"]
            : [502, "agent_error"]
  return ofWords({ status, code, text: data, state: told }, asked)
}
