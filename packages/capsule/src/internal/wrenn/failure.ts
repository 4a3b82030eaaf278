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
export const unavailable = (text: string, hint = "Does the service listen there, and can it be reached from here?") =>
  ExecError.make(new ExecError.BackendUnavailable({ backend, hint, detail: { backend, text } }))

/** The connection was lost: whether and how the command ended is unknown. */
export const lost = (text: string, started = true): ExecError.ExecError =>
  ExecError.make(new ExecError.ConnectionLost({ started, detail: { backend, text } }))

/** The layer was closed. */
export const closed: ExecError.ExecError = ExecError.make(new ExecError.Closed({ what: "connection to the capsule" }))

/** What was asked for, to say it in an error. */
export interface Asked {
  readonly capsule: string
  readonly program?: string | undefined
  readonly tag?: string | undefined
  readonly selector?: string | undefined
}

/** What a failed request is. Both generations of the service are known, by their codes. */
export const ofResponse = (status: number, body: unknown, asked: Asked): ExecError.ExecError => {
  const failure = Option.getOrUndefined(decode(body))?.error
  if (failure?.exec_error !== undefined) return failure.exec_error
  return ofWords(failure?.code ?? String(status), failure?.message ?? `HTTP status ${status}`, asked)
}

const state = /\(status: (\w+)\)/

const ofWords = (code: string, text: string, { capsule, program, selector, tag }: Asked): ExecError.ExecError => {
  const detail = { backend, code, text }
  switch (code) {
    case "unauthorized":
    case "forbidden":
    case "401":
    case "403":
      return unavailable(text, "Give an API key that this service takes.")
    case "not_found":
    case "process_not_found":
      return selector === undefined || text.startsWith("sandbox")
        ? ExecError.make(new ExecError.SandboxNotFound({ sandbox: capsule, detail }))
        : ExecError.make(new ExecError.ProcessNotFound({ selector, detail }))
    case "sandbox_not_found":
      return ExecError.make(new ExecError.SandboxNotFound({ sandbox: capsule, detail }))
    case "invalid_state":
    case "sandbox_not_running":
      return ExecError.make(
        new ExecError.SandboxNotRunning({ sandbox: capsule, state: state.exec(text)?.[1] ?? "not running", detail })
      )
    case "invalid_request":
    case "validation_failed":
      return ExecError.make(new ExecError.InvalidCommand({ field: "request", problem: text, detail }))
    case "conflict":
    case "already_exists":
      if (tag !== undefined) return ExecError.make(new ExecError.TagInUse({ tag, detail }))
      break
    case "rate_limited":
    case "capacity_unavailable":
    case "no_hosts_available":
      return ExecError.make(new ExecError.LimitReached({ limit: "what the service allows", detail }))
    default:
  }
  return program === undefined ? unavailable(text) : ExecError.make(new ExecError.StartFailed({ program, detail }))
}

/** What an `error` event says, which has no code. */
export const ofEvent = ({ data = "", exec_error }: WrennWire.ProcessEvent, asked: Asked): ExecError.ExecError => {
  if (exec_error !== undefined) return exec_error
  const code = data.startsWith("authentication")
    ? "unauthorized"
    : state.test(data)
      ? "invalid_state"
      : data.endsWith("not found")
        ? "not_found"
        : "error"
  return ofWords(code, data, asked)
}
