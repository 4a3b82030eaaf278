/**
 * The calls, over dockerode.
 */
import { Readable } from "node:stream"
import type Dockerode from "dockerode"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { DockerClient, EngineInfo } from "../DockerClient.ts"
import { type EngineFailure, failure, unreachable } from "./failure.ts"
import * as Hijack from "./hijack.ts"
import * as Host from "./host.ts"
import * as Info from "./info.ts"

// Spoken by all engines since 2020; a newer one is spoken to in this version as long as it still understands it.
const apiVersion = "1.41"

/** Longer than a large archive takes over a slow line. */
const archiveMillis = 600_000

interface Connected {
  readonly docker: Dockerode
  readonly info: EngineInfo
}

type Call<A> = (docker: Dockerode, abortSignal: AbortSignal) => Promise<A>

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
  const error = cause as Error & { statusCode?: number; code?: string; reason?: string; json?: { message?: unknown } }
  const said = error.json?.message
  return {
    status: error.statusCode,
    code: error.code,
    text: typeof said === "string" ? said : error.message.replace(/^\(HTTP code \d+\) [^-]*- /, "").trim()
  }
}

// Not every call of dockerode can be aborted; none is waited for longer than this.
const before = <A>(signal: AbortSignal, millis: number, call: (signal: AbortSignal) => Promise<A>): Promise<A> =>
  new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject({ code: "ETIMEDOUT", message: `no answer within ${millis} ms` }), {
      once: true
    })
    call(signal).then(resolve, reject)
  })

const refuse = (error: ExecError): DockerClient => {
  const fail = () => Effect.fail(error)
  const nothing = Effect.fail(error)
  return {
    host: "",
    version: nothing,
    inspectImage: fail,
    pull: () => Stream.fail(error),
    createContainer: fail,
    startContainer: fail,
    inspectContainer: fail,
    removeContainer: fail,
    killContainer: fail,
    listContainers: fail,
    putArchive: fail,
    getArchive: () => Stream.fail(error),
    fileSize: fail,
    oomCount: fail,
    createExec: fail,
    inspectExec: fail,
    startExec: fail,
    attach: fail
  }
}

/** A client of the engine at this place, or where the environment says. */
export const connect = (given: string | undefined, deadlineMillis: number): DockerClient => {
  const host = Host.find(given)
  if ("hint" in host) return refuse(unreachable(host.url, host.hint))

  const open = async (version?: string): Promise<Dockerode> => {
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

  const attempt = <A>(
    sandbox: string,
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
      : attempt("engine", deadlineMillis, async () => {
          const version = await (await open()).version()
          const api = negotiate(version.ApiVersion, version.MinAPIVersion)
          connected = {
            docker: await open(api),
            info: { version: version.Version, apiVersion: api, architecture: version.Arch }
          }
          return connected
        })
  )
  const ask = <A>(sandbox: string, call: Call<A>, millis = deadlineMillis): Effect.Effect<A, ExecError> =>
    Effect.flatMap(connection, ({ docker }) => attempt(sandbox, millis, (signal) => call(docker, signal)))

  const upgrade = (sandbox: string, path: string, body: unknown) =>
    Effect.flatMap(connection, ({ info }) =>
      Hijack.upgrade(host, { path: `/v${info.apiVersion}${path}`, body, deadlineMillis }).pipe(
        Effect.mapError((problem) => failure({ host: host.url, sandbox }, problem))
      )
    ) as Effect.Effect<Hijack.Upgraded, ExecError, Scope.Scope>

  const bytes = (sandbox: string, call: Call<NodeJS.ReadableStream>): Stream.Stream<Uint8Array, ExecError> =>
    Stream.unwrap(
      Effect.map(ask(sandbox, call, archiveMillis), (readable) =>
        Stream.fromAsyncIterable(readable as AsyncIterable<Uint8Array>, (cause) =>
          failure({ host: host.url, sandbox }, failureOf(cause))
        )
      )
    )

  return {
    host: host.url,
    version: Effect.map(connection, ({ info }) => info),
    inspectImage: (image) =>
      Effect.map(
        ask(`image ${image}`, (docker) => docker.getImage(image).inspect()),
        Info.image
      ),
    pull: (image) =>
      Stream.flatMap(
        Info.lines(bytes(`image ${image}`, (docker, abortSignal) => docker.pull(image, { abortSignal }))),
        (line) => Info.progress(line, host.url, image)
      ),
    createContainer: (body) =>
      Effect.map(
        ask(`image ${body.Image}`, (docker, abortSignal) => docker.createContainer({ ...body, abortSignal } as never)),
        ({ id }) => id
      ),
    startContainer: (id) => ask(id, (docker, abortSignal) => docker.getContainer(id).start({ abortSignal })),
    inspectContainer: (id) =>
      Effect.map(
        ask(id, (docker, abortSignal) => docker.getContainer(id).inspect({ abortSignal })),
        Info.container
      ),
    removeContainer: (id) =>
      ask(id, (docker, abortSignal) => docker.getContainer(id).remove({ force: true, v: true, abortSignal })).pipe(
        Effect.catch((error) =>
          error.reason._tag === "SandboxNotFound" || /already in progress/.test(error.message)
            ? Effect.void
            : Effect.fail(error)
        )
      ),
    killContainer: (id, signal) =>
      ask(id, (docker, abortSignal) => docker.getContainer(id).kill({ signal, abortSignal })),
    listContainers: (label) =>
      Effect.map(
        ask("engine", (docker, abortSignal) =>
          docker.listContainers({ all: true, filters: JSON.stringify({ label: [label] }), abortSignal })
        ),
        (all) => all.map(({ Id, Labels, State }) => ({ id: Id, status: State, labels: Labels }))
      ),
    putArchive: (id, path, tar) =>
      Effect.asVoid(
        ask(
          id,
          (docker, abortSignal) =>
            docker
              .getContainer(id)
              .putArchive(
                tar instanceof Uint8Array
                  ? Buffer.from(tar.buffer, tar.byteOffset, tar.byteLength)
                  : Readable.from(tar),
                {
                  path,
                  // Otherwise a file takes the place of a directory of its name, and of all that is in it.
                  noOverwriteDirNonDir: "1",
                  abortSignal
                } as never
              ),
          archiveMillis
        )
      ),
    getArchive: (id, path) =>
      bytes(id, (docker, abortSignal) => docker.getContainer(id).getArchive({ path, abortSignal })),
    fileSize: (id, path) =>
      ask(id, (docker, abortSignal) => docker.getContainer(id).infoArchive({ path, abortSignal })).pipe(
        Effect.map(Info.size),
        // The answer to a HEAD has no words; whoever asks has just seen the container itself.
        Effect.catch((error) =>
          error.reason._tag === "SandboxNotFound" ? Effect.succeed(undefined) : Effect.fail(error)
        )
      ),
    oomCount: (id, since) =>
      Effect.map(
        Stream.runCollect(
          Info.lines(
            bytes(id, (docker, abortSignal) =>
              docker.getEvents({
                since: since / 1000,
                until: Date.now() / 1000,
                filters: JSON.stringify({ container: [id], event: ["oom"] }),
                abortSignal
              } as Dockerode.GetEventsOptions)
            )
          )
        ),
        (events) => events.length
      ),
    createExec: (id, body) =>
      Effect.map(
        ask(id, (docker, abortSignal) => docker.getContainer(id).exec({ ...body, abortSignal })),
        (exec) => exec.id
      ),
    inspectExec: (exec) =>
      Effect.map(
        ask(exec, (docker, abortSignal) => docker.getExec(exec).inspect({ abortSignal })),
        ({ ExitCode, Pid, Running }) => ({ running: Running, exitCode: ExitCode ?? undefined, pid: Pid })
      ),
    startExec: (exec) => upgrade(exec, `/exec/${exec}/start`, { Detach: false, Tty: false }),
    attach: (id) => upgrade(id, `/containers/${id}/attach?stream=1&stdin=1&stdout=1&stderr=1`, undefined)
  }
}
