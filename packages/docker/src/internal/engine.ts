/**
 * One engine: connected to when it is first asked, in a version of its API that both understand, within deadlines.
 */
import { Readable } from "node:stream"
import type Dockerode from "dockerode"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { EngineInfo } from "../DockerClient.ts"
import { type EngineFailure, failure, unreachable } from "./failure.ts"
import * as Hijack from "./hijack.ts"
import * as Host from "./host.ts"
import { Patience } from "./patience.ts"

/** Ways to ask. Each names what it is about, for the message when it fails. */
export interface Engine {
  readonly url: string
  readonly info: Effect.Effect<EngineInfo, ExecError>
  /** A question and its answer, which has to be there in time. */
  readonly ask: <A>(sandbox: string | undefined, call: Call<A>) => Effect.Effect<A, ExecError>
  /** What the engine sends: it has to go on sending, `patience` times as long as it has for an answer. */
  readonly bytes: (
    sandbox: string,
    call: Call<NodeJS.ReadableStream>,
    patience?: number
  ) => Stream.Stream<Uint8Array, ExecError>
  /** What is sent to the engine: it has to go on taking it. */
  readonly send: (
    sandbox: string,
    bytes: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    call: Sending
  ) => Effect.Effect<void, ExecError>
  readonly upgrade: (
    sandbox: string,
    path: string,
    body?: unknown
  ) => Effect.Effect<Hijack.Upgraded, ExecError, Scope.Scope>
}

// Spoken by all engines since 2020; a newer one is spoken to in this version as long as it still understands it.
const apiVersion = "1.41"

interface Connected {
  readonly docker: Dockerode
  readonly info: EngineInfo
}

/** One call of dockerode. */
export type Call<A> = (docker: Dockerode, abortSignal: AbortSignal) => Promise<A>

/** One that sends. */
export type Sending = (docker: Dockerode, body: NodeJS.ReadableStream, abortSignal: AbortSignal) => Promise<unknown>

const compare = (a: string, b: string): number => {
  const [a1 = 0, a2 = 0] = a.split(".").map(Number)
  const [b1 = 0, b2 = 0] = b.split(".").map(Number)
  return a1 - b1 || a2 - b2
}

/** The version to speak with an engine that offers these. */
export const negotiate = (newest: string, oldest: string | undefined): string =>
  compare(newest, apiVersion) < 0
    ? newest
    : oldest !== undefined && compare(oldest, apiVersion) > 0
      ? oldest
      : apiVersion

const failureOf = (cause: unknown): EngineFailure => {
  if (typeof cause !== "object" || cause === null) return { code: "EIO", text: String(cause) }
  const { code, json, message = "", statusCode } = cause as Thrown
  const said = json?.message
  return {
    status: statusCode,
    code,
    text: typeof said === "string" ? said : message.replace(/^\(HTTP code \d+\) [^-]*- /, "").trim()
  }
}

// What dockerode throws: its own errors, and those of the socket.
interface Thrown {
  readonly statusCode?: number
  readonly code?: string
  readonly message?: string
  readonly json?: { readonly message?: unknown }
}

// Not every call of dockerode can be aborted; none is waited for longer.
const until = <A>(signal: AbortSignal, call: () => Promise<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
    call().then(resolve, reject)
  })

const refuse = (url: string, error: ExecError): Engine => ({
  url,
  info: Effect.fail(error),
  ask: () => Effect.fail(error),
  bytes: () => Stream.fail(error),
  send: () => Effect.fail(error),
  upgrade: () => Effect.fail(error)
})

// Loaded when it is needed: it is large, and a program that only mentions this package should not pay for it. Nor is the
// engine's time spent on it.
const load = Effect.promise(async () => (await import("dockerode")).default)

const open = (Docker: typeof Dockerode, host: Host.Host, version?: string): Dockerode => {
  // All of them are given, for what is not given it takes from the environment.
  return new Docker({
    socketPath: host.socketPath,
    host: host.hostname,
    port: host.port,
    pathPrefix: undefined,
    ca: host.tls?.ca,
    cert: host.tls?.cert,
    key: host.tls?.key,
    protocol: host.tls === undefined ? "http" : "https",
    ...(version === undefined ? {} : { version: `v${version}` })
  } as Dockerode.DockerOptions)
}

/** The engine at this place, or where the environment says. */
export const make = (given: string | undefined, deadlineMillis: number): Engine => {
  const host = Host.find(given)
  if ("hint" in host) return refuse(host.url, unreachable(host.url, host.hint))

  const failed = (sandbox: string | undefined) => (cause: unknown) =>
    failure({ host: host.url, sandbox }, failureOf(cause))

  /** Calls, with patience for the answer; it is over with the scope. */
  const begin = <A>(
    sandbox: string | undefined,
    millis: number,
    call: (patience: Patience) => Promise<A>
  ): Effect.Effect<readonly [A, Patience], ExecError, Scope.Scope> =>
    Effect.flatMap(
      Effect.acquireRelease(
        Effect.sync(() => new Patience(millis)),
        (patience, exit) => Effect.sync(() => (Exit.isSuccess(exit) ? patience.rest() : patience.giveUp()))
      ),
      (patience) =>
        Effect.tryPromise({
          try: () => {
            patience.wait()
            return until(patience.signal, () => call(patience))
          },
          catch: (cause) => failed(sandbox)(patience.reason(cause))
        }).pipe(Effect.map((answer) => [answer, patience] as const))
    )
  const attempt = <A>(
    sandbox: string | undefined,
    call: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, ExecError> =>
    Effect.scoped(
      Effect.map(
        begin(sandbox, deadlineMillis, ({ signal }) => call(signal)),
        ([answer]) => answer
      )
    )

  let connected: Connected | undefined
  const connection: Effect.Effect<Connected, ExecError> = Effect.suspend(() =>
    connected !== undefined
      ? Effect.succeed(connected)
      : Effect.flatMap(load, (Docker) =>
          attempt(undefined, async () => {
            const version = await open(Docker, host).version()
            const api = negotiate(version.ApiVersion, version.MinAPIVersion)
            connected = {
              docker: open(Docker, host, api),
              info: { version: version.Version, apiVersion: api, architecture: version.Arch }
            }
            return connected
          })
        )
  )
  const ask: Engine["ask"] = (sandbox, call) =>
    Effect.flatMap(connection, ({ docker }) => attempt(sandbox, (signal) => call(docker, signal)))

  const upgrade: Engine["upgrade"] = (sandbox, path, body) =>
    Effect.flatMap(connection, ({ info }) =>
      Hijack.upgrade(host, { path: `/v${info.apiVersion}${path}`, body, deadlineMillis }).pipe(
        Effect.mapError((problem) => failure({ host: host.url, sandbox }, problem))
      )
    )

  const bytes: Engine["bytes"] = (sandbox, call, patience = 1) =>
    Stream.unwrap(
      Effect.flatMap(connection, ({ docker }) =>
        Effect.map(
          begin(sandbox, patience * deadlineMillis, ({ signal }) => call(docker, signal)),
          ([readable, patience]) => {
            patience.rest()
            return Stream.fromAsyncIterable(patience.reading(readable as AsyncIterable<Uint8Array>), failed(sandbox))
          }
        )
      )
    )

  const send: Engine["send"] = (sandbox, bytes, call) =>
    Effect.flatMap(connection, ({ docker }) =>
      Effect.scoped(
        Effect.asVoid(
          begin(sandbox, deadlineMillis, async (patience) => {
            const body = Readable.from(patience.giving(bytes), { objectMode: false })
            try {
              await call(docker, body, patience.signal)
            } finally {
              body.destroy()
            }
          })
        )
      )
    )

  return { url: host.url, info: Effect.map(connection, ({ info }) => info), ask, bytes, send, upgrade }
}
