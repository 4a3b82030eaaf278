/**
 * One engine: connected to when it is first asked, in a version of its API that both understand, within deadlines.
 */
import type Dockerode from "dockerode"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { EngineInfo } from "../DockerClient.ts"
import { type EngineFailure, failure, unreachable } from "./failure.ts"
import * as Hijack from "./hijack.ts"
import * as Host from "./host.ts"

/** Longer than a large archive takes over a slow line. */
export const archiveMillis = 600_000

/** Ways to ask. Each names what it is about, for the message when it fails. */
export interface Engine {
  readonly url: string
  readonly info: Effect.Effect<EngineInfo, ExecError>
  readonly ask: <A>(sandbox: string | undefined, call: Call<A>, millis?: number) => Effect.Effect<A, ExecError>
  readonly bytes: (
    sandbox: string | undefined,
    call: Call<NodeJS.ReadableStream>
  ) => Stream.Stream<Uint8Array, ExecError>
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

// Not every call of dockerode can be aborted; none is waited for longer than this.
const before = <A>(signal: AbortSignal, millis: number, call: (signal: AbortSignal) => Promise<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject({ code: "ETIMEDOUT", message: `no answer within ${millis} ms` }), {
      once: true
    })
    call(signal).then(resolve, reject)
  })

const refuse = (url: string, error: ExecError): Engine => ({
  url,
  info: Effect.fail(error),
  ask: () => Effect.fail(error),
  bytes: () => Stream.fail(error),
  upgrade: () => Effect.fail(error)
})

const open = async (host: Host.Host, version?: string): Promise<Dockerode> => {
  // Loaded when it is needed: it is large, and a program that only mentions this package should not pay for it.
  const { default: Docker } = await import("dockerode")
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

  const attempt = <A>(
    sandbox: string | undefined,
    millis: number,
    call: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A, ExecError> =>
    Effect.tryPromise({
      // The deadline is of the machine's clock, also where the program's time is simulated.
      try: (signal) => before(AbortSignal.any([signal, AbortSignal.timeout(millis)]), millis, call),
      catch: (cause) => failure({ host: host.url, sandbox }, failureOf(cause))
    })

  let connected: Connected | undefined
  const connection: Effect.Effect<Connected, ExecError> = Effect.suspend(() =>
    connected !== undefined
      ? Effect.succeed(connected)
      : attempt(undefined, deadlineMillis, async () => {
          const version = await (await open(host)).version()
          const api = negotiate(version.ApiVersion, version.MinAPIVersion)
          connected = {
            docker: await open(host, api),
            info: { version: version.Version, apiVersion: api, architecture: version.Arch }
          }
          return connected
        })
  )
  const ask: Engine["ask"] = (sandbox, call, millis = deadlineMillis) =>
    Effect.flatMap(connection, ({ docker }) => attempt(sandbox, millis, (signal) => call(docker, signal)))

  const upgrade: Engine["upgrade"] = (sandbox, path, body) =>
    Effect.flatMap(connection, ({ info }) =>
      Hijack.upgrade(host, { path: `/v${info.apiVersion}${path}`, body, deadlineMillis }).pipe(
        Effect.mapError((problem) => failure({ host: host.url, sandbox }, problem))
      )
    )

  const bytes: Engine["bytes"] = (sandbox, call) =>
    Stream.unwrap(
      Effect.map(ask(sandbox, call, archiveMillis), (readable) =>
        Stream.fromAsyncIterable(readable as AsyncIterable<Uint8Array>, (cause) =>
          failure({ host: host.url, sandbox }, failureOf(cause))
        )
      )
    )

  return { url: host.url, info: Effect.map(connection, ({ info }) => info), ask, bytes, upgrade }
}
