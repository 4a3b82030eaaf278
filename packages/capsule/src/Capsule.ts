/**
 * A capsule as a resource: created, awaited, and gone with its scope.
 *
 * ```ts check
 * import { Effect, Stream } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { Capsule } from "@effect-exec/capsule"
 *
 * const program = Effect.gen(function* () {
 *   const capsule = yield* Capsule.make({ template: "python" })
 *   yield* capsule.writeFile("hello.py", "print('hello')")
 *   const lines = Exec.lines(capsule.exec.stream(Command.make("python3", ["hello.py"])))
 *   yield* Stream.runForEach(lines, Effect.log)
 * })
 * ```
 *
 * The same as a layer runs a program that knows nothing of capsules: `Effect.provide(program, Capsule.layer({ template: "python" }))`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import * as ExecFileSystem from "effect-exec/ExecFileSystem"
import { CapsuleClient, type CreateOptions } from "./CapsuleClient.ts"
import type { CapsuleInfo } from "./CapsuleInfo.ts"

/** What a file is to hold. */
export type Content<E = never, R = never> = string | Uint8Array | Stream.Stream<Uint8Array, E, R>

/** A capsule that one uses. */
export class Capsule extends Context.Service<
  Capsule,
  {
    readonly id: string
    /** Runs commands in it. */
    readonly exec: Exec.Exec["Service"]
    /** Its files. A relative path starts where commands do. */
    readonly files: FileSystem.FileSystem
    /**
     * Writes a file, as large as it likes; its directory has to exist. Replaces what the file holds. Interrupting it, or a
     * stream that fails, may leave part of it.
     */
    readonly writeFile: <E = never, R = never>(
      path: string,
      content: Content<E, R>
    ) => Effect.Effect<void, PlatformError | E, R>
    /** Reads a file, as fast as it is taken. What was given before a failure is good. */
    readonly readFile: (path: string) => Stream.Stream<Uint8Array, PlatformError>
  }
>()("@effect-exec/capsule/Capsule") {}

type Service = Capsule["Service"]

/**
 * Creates a capsule and waits until commands can run in it. Closing the scope ends everything in it, and returns when it is gone;
 * interrupting `make` does, too, once the server has answered. When this program is killed, or the server cannot be reached
 * then, the capsule ends once nobody has used it for its `idleTimeout`.
 *
 * Fails with `InvalidCommand` for a template that the server does not have, `LimitReached`, `BackendUnavailable`, and with what the
 * template fails with when it starts (`SandboxNotFound` for an image that is not to be had …).
 */
export const make = Effect.fnUntraced(function* (
  options: CreateOptions
): Effect.fn.Return<Service, ExecError, CapsuleClient | Scope.Scope> {
  const client = yield* CapsuleClient
  const { id } = yield* Effect.acquireRelease(client.create(options), ({ id }) => destroyed(client, id))
  return yield* open(client, id)
})

/** Uses a capsule that exists. Closing the scope ends what was attached; the capsule, and what was detached in it, lives on. */
export const connect = (id: string): Effect.Effect<Service, ExecError, CapsuleClient | Scope.Scope> =>
  Effect.flatMap(CapsuleClient, (client) => open(client, id))

/** The capsules of the server. */
export const list: Effect.Effect<ReadonlyArray<CapsuleInfo>, ExecError, CapsuleClient> = Effect.flatMap(
  CapsuleClient,
  (client) => client.list
)

/** Ends a capsule, whoever made it, and returns when it is gone. `SandboxNotFound` when there is none. */
export const destroy = (id: string): Effect.Effect<void, ExecError, CapsuleClient> =>
  Effect.flatMap(CapsuleClient, (client) => client.destroy(id))

/** Runs commands in a capsule of the layer's own, made as by `make`. */
export const layer = (options: CreateOptions): Layer.Layer<Capsule | Exec.Exec, ExecError, CapsuleClient> =>
  Layer.effectContext(Effect.map(make(options), contextOf))

/** Runs commands in a capsule that exists, as by `connect`. */
export const layerConnect = (id: string): Layer.Layer<Capsule | Exec.Exec, ExecError, CapsuleClient> =>
  Layer.effectContext(Effect.map(connect(id), contextOf))

const contextOf = (capsule: Service): Context.Context<Capsule | Exec.Exec> =>
  Context.make(Capsule, capsule).pipe(Context.add(Exec.Exec, capsule.exec))

const destroyed = (client: CapsuleClient["Service"], id: string): Effect.Effect<void> =>
  client.destroy(id).pipe(
    Effect.catchReason("ExecError", "SandboxNotFound", () => Effect.void),
    Effect.catch((error) =>
      Effect.annotateLogs(Effect.logWarning("A capsule could not be destroyed; it ends when it is idle", error), {
        capsule: id
      })
    )
  )

const open = Effect.fnUntraced(function* (
  client: CapsuleClient["Service"],
  id: string
): Effect.fn.Return<Service, ExecError, Scope.Scope> {
  const exec = yield* client.exec(id)
  // Waits for what has to start, and from here on a session says that the capsule is used.
  yield* exec.capabilities
  const files = ExecFileSystem.make(exec)
  return {
    id,
    exec,
    files,
    writeFile: (path, content) => {
      if (typeof content === "string") return files.writeFileString(path, content)
      return Stream.isStream(content) ? Stream.run(content, files.sink(path)) : files.writeFile(path, content)
    },
    readFile: (path) => files.stream(path)
  }
})
