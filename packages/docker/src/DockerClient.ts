/**
 * The engine, as far as this package needs it: a small service over dockerode for every call that is a question and an
 * answer, and one way to a raw stream.
 *
 * Without a layer it is the engine that the docker CLI would talk to (`DOCKER_HOST`, the current context, the default
 * socket; TLS by `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`), connected to when it is first needed.
 *
 * ```ts check
 * import { Effect, Layer } from "effect"
 * import { DockerClient, DockerExec } from "@effect-exec/docker"
 *
 * const remote = DockerExec.layerContainer({ image: "busybox" }).pipe(
 *   Layer.provide(DockerClient.layer({ host: "tcp://build-machine:2376" }))
 * )
 * ```
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import { connect } from "./internal/client.ts"
import type { Upgraded } from "./internal/hijack.ts"

export type { Upgraded } from "./internal/hijack.ts"

/** What is said of the engine. */
export interface EngineInfo {
  readonly version: string
  /** What is spoken with it. */
  readonly apiVersion: string
  /** As Docker says it: `amd64`, `arm64` … */
  readonly architecture: string
}

/** What is said of an image. */
export interface ImageInfo {
  readonly id: string
  readonly architecture: string
  readonly env: ReadonlyArray<string>
}

/** What is said of a container. */
export interface ContainerInfo {
  readonly id: string
  readonly name: string
  readonly imageId: string
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  readonly status: string
  readonly exitCode: number
  readonly oomKilled: boolean
  readonly env: ReadonlyArray<string>
  readonly user: string
  readonly readOnlyRoot: boolean
  readonly volumes: ReadonlyArray<{ readonly destination: string; readonly writable: boolean }>
  readonly privileged: boolean
  readonly capAdd: ReadonlyArray<string>
  readonly capDrop: ReadonlyArray<string>
}

/** A container in a list. */
export interface ContainerSummary {
  readonly id: string
  readonly status: string
  readonly labels: Readonly<Record<string, string>>
}

/** What is said of an exec. */
export interface ExecInfo {
  readonly running: boolean
  readonly exitCode: number | undefined
  /** 0 when its program never started. */
  readonly pid: number
}

/** What is said of a file. */
export interface FileInfo {
  readonly size: number
  /** Of a symbolic link: where it leads in the end. */
  readonly linkTarget: string | undefined
}

/** One line of a pull. */
export interface PullProgress {
  readonly status: string
  /** Which layer. */
  readonly id: string | undefined
  readonly current: number | undefined
  readonly total: number | undefined
}

/**
 * The calls. The engine has to answer each in time, and to go on with the longer ones; when it does not, or cannot be
 * reached, the call fails with `BackendUnavailable`. What the engine refuses is `SandboxNotFound`, `SandboxNotRunning`
 * or `StartFailed`, with the engine's words and HTTP status in `detail`. Interrupting a call gives it up; what the engine
 * does of it is unknown.
 */
export interface DockerClient {
  /** Where the engine is, for messages. */
  readonly host: string
  readonly version: Effect.Effect<EngineInfo, ExecError>
  readonly inspectImage: (image: string) => Effect.Effect<ImageInfo, ExecError>
  /** Pulls; ends when the image is there. */
  readonly pull: (image: string) => Stream.Stream<PullProgress, ExecError>
  /** Creates a container from a body of the engine's API, and gives its id. */
  readonly createContainer: (
    body: Readonly<Record<string, unknown>> & { readonly Image: string }
  ) => Effect.Effect<string, ExecError>
  readonly startContainer: (id: string) => Effect.Effect<void, ExecError>
  readonly inspectContainer: (id: string) => Effect.Effect<ContainerInfo, ExecError>
  /** Kills and removes it, with its anonymous volumes; one that is gone already is fine. */
  readonly removeContainer: (id: string) => Effect.Effect<void, ExecError>
  readonly killContainer: (id: string, signal: string) => Effect.Effect<void, ExecError>
  /** All containers with a label, whatever their state. */
  readonly listContainers: (label: string) => Effect.Effect<ReadonlyArray<ContainerSummary>, ExecError>
  /** Unpacks a tar archive in a directory of the container. */
  readonly putArchive: (
    id: string,
    directory: string,
    tar: Uint8Array | AsyncIterable<Uint8Array>
  ) => Effect.Effect<void, ExecError>
  /** A file or directory of the container as a tar archive. */
  readonly getArchive: (id: string, path: string) => Stream.Stream<Uint8Array, ExecError>
  /** What there is at a path of the container; `undefined` when there is nothing of that name. */
  readonly stat: (id: string, path: string) => Effect.Effect<FileInfo | undefined, ExecError>
  /** Whether memory ran out in a container since a time in milliseconds. Before it says no, it waits for a moment. */
  readonly ranOutOfMemory: (id: string, since: number) => Effect.Effect<boolean, ExecError>
  readonly createExec: (id: string, body: Readonly<Record<string, unknown>>) => Effect.Effect<string, ExecError>
  readonly inspectExec: (exec: string) => Effect.Effect<ExecInfo, ExecError>
  /** The stream of an exec, which starts with it. */
  readonly startExec: (exec: string) => Effect.Effect<Upgraded, ExecError, Scope.Scope>
  /** The stream of a container's first process. */
  readonly attach: (id: string) => Effect.Effect<Upgraded, ExecError, Scope.Scope>
}

/** The engine in the context; without a layer, the one that the docker CLI would talk to. */
export const DockerClient: Context.Reference<DockerClient> = Context.Reference<DockerClient>(
  "@effect-exec/docker/DockerClient",
  { defaultValue: () => make({}) }
)

/** Which engine. */
export interface Options {
  /** `unix:///path/to/docker.sock` or `tcp://host:port`; what the environment says by default. */
  readonly host?: string | undefined
  /**
   * The longest the engine may take for an answer, and the longest it may do nothing in the middle of an archive, in
   * milliseconds; 60,000 by default, and five times that in the middle of a pull. How long these take in all is not
   * limited.
   */
  readonly deadlineMillis?: number | undefined
}

/** A client. It connects when it is first used, and holds nothing that would have to be closed. */
export const make = (options: Options): DockerClient => connect(options.host, options.deadlineMillis ?? 60_000)

/** Another engine than the default one. */
export const layer = (options: Options): Layer.Layer<never> => Layer.succeed(DockerClient, make(options))
