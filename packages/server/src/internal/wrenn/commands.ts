/**
 * Commands that are answered as one, and what runs in a capsule.
 */
import { isUtf8 } from "node:buffer"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as WrennWire from "@effect-exec/capsule/WrennWire"
import * as Command from "effect-exec/Command"
import * as ExecResult from "effect-exec/ExecResult"
import { randomTag } from "effect-exec/ProcessId"
import * as Signal from "effect-exec/Signal"
import type { Limits } from "../../Limits.ts"
import type { Capsule } from "../capsule.ts"
import type { Capsules } from "../capsules.ts"
import { agentError, invalid, notFound } from "./failure.ts"
import { body, done, inCapsule, json } from "./requests.ts"

/** A tag of the form that a kind of process has. */
export const newTag = (kind: "proc" | "pty"): Effect.Effect<string> =>
  Effect.map(randomTag, (tag) => tag.replace(/^exec/, kind))

/** What the API says of a command, as one. Its environment may hold secrets. */
export const toCommand = ({
  args,
  cmd,
  cwd,
  envs
}: Pick<WrennWire.ExecRequest, "args" | "cmd" | "cwd" | "envs">): Command.Command =>
  Command.make(cmd, args ?? [], {
    ...(cwd === undefined || cwd === null || cwd === "" ? {} : { cwd }),
    ...(envs === undefined || envs === null
      ? {}
      : { env: Object.fromEntries(Object.entries(envs).map(([name, value]) => [name, Redacted.make(value)])) })
  })

/** The number of the API for how a process ended. */
export const exitCode = (status: ExecResult.ExecResult["status"]): number =>
  status._tag === "Exited" ? status.code : -1

const foreground = Effect.fnUntraced(function* (capsule: Capsule, request: WrennWire.ExecRequest, limits: Limits) {
  const { timeout_sec: seconds } = request
  const timeout = typeof seconds === "number" && seconds > 0 ? Duration.seconds(seconds) : Duration.infinity
  const process = yield* capsule.exec.spawn(toCommand(request), {
    timeout,
    maxOutput: limits.output,
    // What it has started in the background is there still when it has ended.
    lingering: request.lingering ?? "leave"
  })
  const result = yield* Stream.run(process.events, ExecResult.collect)
  if (result.timedOut) {
    return yield* agentError(
      `internal: exec: stream error: deadline_exceeded: it ran longer than ${seconds} s; its processes were ended`
    )
  }
  if (result.truncated) {
    return yield* agentError(
      `internal: exec: it wrote more than ${limits.output} bytes, and was ended; stream what writes more`
    )
  }
  const { stderrBytes, stdoutBytes } = result
  const encoding = isUtf8(stdoutBytes) && isUtf8(stderrBytes) ? "utf-8" : "base64"
  const text = (bytes: Uint8Array) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString(encoding === "utf-8" ? "utf8" : "base64")
  return json({
    sandbox_id: capsule.id,
    cmd: request.cmd,
    stdout: text(stdoutBytes),
    stderr: text(stderrBytes),
    exit_code: exitCode(result.status),
    duration_ms: Math.round(Duration.toMillis(result.duration)),
    encoding
  })
}, Effect.scoped)

const background = Effect.fnUntraced(function* (capsule: Capsule, request: WrennWire.ExecRequest) {
  const given = request.tag
  const tag = given === undefined || given === null || given === "" ? yield* newTag("proc") : given
  const lingering = request.lingering ?? "leave"
  const { pid } = yield* capsule.exec.detach(toCommand(request), { tag, lingering })
  return json({ sandbox_id: capsule.id, cmd: request.cmd, pid, tag }, 202)
})

const run = Effect.fnUntraced(function* (capsule: Capsule, limits: Limits) {
  const request = yield* body(WrennWire.ExecRequest, limits).pipe(
    Effect.catchTag("SchemaError", (error) =>
      Effect.fail(invalid(/\["cmd"\]/.test(error.message) ? "cmd is required" : `invalid JSON body: ${error.message}`))
    )
  )
  if (request.cmd === "") return yield* invalid("cmd is required")
  return yield* request.background === true ? background(capsule, request) : foreground(capsule, request, limits)
})

const list = ({ exec }: Capsule) =>
  Effect.map(exec.list(), (running) =>
    json({
      processes: running.map(({ command: { argv }, pid, tag }) => {
        const [cmd, ...args] = argv
        return { pid, tag, cmd, ...(args.length === 0 ? {} : { args }) }
      })
    })
  )

const kill = Effect.fnUntraced(function* ({ exec }: Capsule, url: string, selector: string) {
  const asked = new URL(url, "http://localhost").searchParams.get("signal") ?? "SIGKILL"
  const signal = Signal.parse(asked)
  if (signal === undefined) return yield* invalid("there is no such signal")
  const process = yield* exec.get(selector)
  // What has ended is not told apart from what never was.
  if (!(yield* process.isRunning)) return yield* notFound("process not found")
  yield* process.kill({ signal })
  return done
})

/** The routes. */
export const routes = (capsules: Capsules, limits: Limits) => [
  HttpRouter.route(
    "POST",
    "/v1/capsules/:id/exec",
    inCapsule(capsules, (capsule) => run(capsule, limits))
  ),
  HttpRouter.route("GET", "/v1/capsules/:id/processes", inCapsule(capsules, list)),
  HttpRouter.route(
    "DELETE",
    "/v1/capsules/:id/processes/:selector",
    inCapsule(capsules, (capsule) =>
      Effect.gen(function* () {
        const { url } = yield* HttpServerRequest.HttpServerRequest
        const { selector = "" } = yield* HttpRouter.params
        return yield* kill(capsule, url, selector)
      })
    )
  )
]
