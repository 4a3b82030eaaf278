/**
 * A container as a resource: created, started, and gone with its scope.
 *
 * ```ts check
 * import { Effect } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { Container, DockerExec } from "@effect-exec/docker"
 *
 * const program = Effect.gen(function* () {
 *   const container = yield* Container.make({ image: "python:3.13-slim" })
 *   yield* container.writeFile("/sandbox/work/hello.py", "print('hello')")
 *   const exec = yield* DockerExec.make(container)
 *   return yield* exec.run(Command.make("python3", ["hello.py"]))
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Backend } from "effect-exec/Backend"
import type { ExecError } from "effect-exec/ExecError"
import { DockerClient, type PullProgress } from "./DockerClient.ts"
import { open } from "./internal/foreign.ts"
import { create } from "./internal/own.ts"

/** A container in which commands can run. */
export interface Container {
  readonly id: string
  readonly name: string
  /** Runs commands in it; `DockerExec.make` derives the service from it. */
  readonly backend: Backend
  /**
   * Writes a file by the engine's archive API, whoever the commands run as; its directory has to exist. Replaces a file,
   * never a directory (`BadResource`). Not atomic: a reader may see no file, or half of it. It reaches neither a
   * `tmpfs` (`/tmp`) nor a read-only root (`PermissionDenied`): write to a volume such as `/sandbox`. Interrupting it, or a
   * stream that fails or is of another size than was said, may leave part of the file.
   */
  readonly writeFile: <E = never, R = never>(
    path: string,
    content: Content<E, R>,
    options?: WriteOptions
  ) => Effect.Effect<void, ExecError | PlatformError | E, R>
  /**
   * Reads a file by the engine's archive API, following symbolic links; what is in a `tmpfs` it does not see (`NotFound`).
   * Fails with `BadResource` where there is a directory. A file that is written meanwhile is read as far as it was.
   */
  readonly readFile: (path: string) => Stream.Stream<Uint8Array, ExecError | PlatformError>
}

/** What a file is to hold; a stream says its size, for the archive begins with it. */
export type Content<E = never, R = never> =
  | string
  | Uint8Array
  | { readonly bytes: Stream.Stream<Uint8Array, E, R>; readonly size: number }

/** How a file is written. */
export interface WriteOptions {
  /** 0o644 by default. */
  readonly mode?: number | undefined
  /** Whose it is; by default the user's whom commands run as. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

/** What of the host, or of the engine's volumes, is seen in the container. */
export interface Mount {
  /** A path of the engine's machine, or the name of a volume. */
  readonly source: string
  readonly target: string
  /** True by default. */
  readonly readOnly?: boolean | undefined
}

/** A container, with defaults that give its commands nothing they were not given. */
export interface Options {
  readonly image: string
  /** The name; the engine makes one up by default. */
  readonly name?: string | undefined
  /** Whether the image is pulled: `"missing"`, the default, pulls what is not there. */
  readonly pull?: "missing" | "always" | "never" | undefined
  /** Told how a pull goes. */
  readonly onPull?: ((progress: PullProgress) => Effect.Effect<void>) | undefined
  /** Whom commands run as, `user[:group]`; `1000:1000` by default. */
  readonly user?: string | undefined
  /**
   * Where commands start; `/sandbox/work` by default, which is the user's and in a volume that lives as long as the
   * container. It is also his `HOME`, unless the image or its `/etc/passwd` knows another.
   */
  readonly workdir?: string | undefined
  /** Added to the image's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly labels?: Readonly<Record<string, string>> | undefined
  readonly mounts?: ReadonlyArray<Mount> | undefined
  /** The network, by name; `none` by default. */
  readonly network?: string | undefined
  /** Whether the root file system is read-only; true by default. */
  readonly readOnlyRoot?: boolean | undefined
  /** Directories in memory and their mount options; `/tmp` of 256 MiB, without programs, by default. */
  readonly tmpfs?: Readonly<Record<string, string>> | undefined
  /** Linux capabilities that are kept (`NET_RAW` …); none by default. */
  readonly capabilities?: ReadonlyArray<string> | undefined
  /** Whether setuid programs give more rights; false by default. */
  readonly newPrivileges?: boolean | undefined
  /** The most processes and threads; 512 by default, `Infinity` for no limit. */
  readonly pids?: number | undefined
  /** The most memory, in bytes, without swap; 1 GiB by default, `Infinity` for no limit. */
  readonly memory?: number | undefined
  /** The most processors' time; 2 by default, or all that there are where that is less. `Infinity` for no limit. */
  readonly cpus?: number | undefined
  /**
   * Where the engine keeps what the container's first process writes, by the name of one of its log drivers; `none` by
   * default. That process is the agent: where it is spoken to over the engine's stream, all that commands read and
   * write goes by there, secrets included.
   */
  readonly log?: string | undefined
}

/**
 * Creates a container and starts it with the agent as its first process, pulling the image where it is missing.
 *
 * Closing the scope ends all its commands and removes it, with its anonymous volumes. When this program is killed, the
 * agent reads the end of its stdin, ends everything, and the engine removes the container. Interrupting `make` removes
 * what was created.
 *
 * Fails with `BackendUnavailable` when no engine is reached, `SandboxNotFound` when the image is not to be had,
 * `StartFailed` when the engine refuses to create or start it, and `Unsupported` for an architecture without an agent.
 */
export const make = (options: Options): Effect.Effect<Container, ExecError, Scope.Scope> =>
  Effect.flatMap(DockerClient, (client) => Effect.map(create(client, options), ({ container }) => container))

/** A container that exists already. */
export interface GetOptions {
  /** Its id or name. */
  readonly container: string
  /** Whom commands run as, `user[:group]`; as the container says by default. */
  readonly user?: string | undefined
}

/**
 * Starts the agent in a container that runs, after putting its program there if it is not there yet: one file of
 * 100 KB, `/effect-exec-agent-<hash>`, which stays; in a volume where the root is read-only.
 *
 * Closing the scope ends the agent and all commands; the container runs on. Fails with `SandboxNotFound`,
 * `SandboxNotRunning` (stopped, paused …), `UserNotFound`, and with `Unsupported` where no agent can go.
 */
export const get = (options: GetOptions): Effect.Effect<Container, ExecError, Scope.Scope> =>
  Effect.flatMap(DockerClient, (client) => Effect.map(open(client, options), ({ container }) => container))
