/**
 * Runs commands in containers.
 *
 * ```ts check
 * import { Effect } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { DockerExec } from "@effect-exec/docker"
 *
 * const program = Exec.run(Command.make("python3", ["-c", "print(42)"]))
 *
 * const result = program.pipe(Effect.provide(DockerExec.layerContainer({ image: "python:3.13-slim" })))
 * ```
 *
 * A small program, the agent, runs in the container and starts the commands there; the engine only carries its bytes.
 * So a command starts as fast as on this machine, its whole tree can be ended, its bytes are exact also for a reader that
 * pauses, and none of it needs a shell in the image. What to know:
 *
 * - **The engine is found** as the docker CLI finds it; `DockerClient.layer` names another.
 * - **Nothing is started before the first command**, which waits for the container. When the container or the engine
 *   was lost, the commands that ran fail with `ConnectionLost`, and the next one starts a new container or agent.
 * - **A paused container** starts nothing: commands and files fail with `SandboxNotRunning` within a second, and nothing
 *   of them is done when it goes on. What runs waits and goes on with it; so does what was sent to it. KILL, and a
 *   timeout that passes meanwhile, fail with that reason too, and are done then.
 * - **`user`** works in every container: the engine starts an agent as that user where the first one may not become him.
 * - **Users, `HOME` and paths** are the container's. Environment variables are seen by who may inspect its processes.
 * - **Out of memory** is `Signaled` with the cause `oom`, where the engine reported it in time.
 * - **In a container that is not ours** the agent is a process like others: whoever may kill it there ends its commands, and
 *   what they leave is found by a variable of their environment, `EFFECT_EXEC_AGENT`. One that kills the agent together
 *   with its supervisors *and* has another environment escapes.
 *
 * Tested on Linux with engines of versions 20.10 and 26.1. Not tested: Docker Desktop, rootless, Podman, Windows containers.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Backend } from "effect-exec/Backend"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import type { Container, GetOptions, Options } from "./Container.ts"
import { DockerClient } from "./DockerClient.ts"
import { open } from "./internal/foreign.ts"
import { create, type Opened } from "./internal/own.ts"
import * as Restarting from "effect-exec/Restarting"

const backendOf = (
  start: (client: DockerClient) => Effect.Effect<Opened, ExecError, Scope.Scope>
): Effect.Effect<Backend, never, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* DockerClient
    const opened = yield* Restarting.make(start(client))
    return {
      name: "docker",
      capabilities: Effect.flatMap(opened, ({ container }) => container.backend.capabilities),
      spawn: (request) => Effect.flatMap(opened, ({ container }) => container.backend.spawn(request)),
      files: Effect.flatMap(opened, ({ container }) => container.backend.files ?? Effect.undefined)
    }
  })

/** The backend of `layer` by itself, for wrappers and tests. */
export const backend = (options: GetOptions): Effect.Effect<Backend, never, Scope.Scope> =>
  backendOf((client) => open(client, options))

/** The backend of `layerContainer` by itself, for wrappers and tests. */
export const backendContainer = (options: Options): Effect.Effect<Backend, never, Scope.Scope> =>
  backendOf((client) => create(client, options))

/** Runs commands in a container that one holds. Closing the scope ends what was started; the container lives on. */
export const make = (container: Container): Effect.Effect<Exec.Exec["Service"], never, Scope.Scope> =>
  Exec.make(container.backend)

/**
 * Runs commands in a container that exists, which is left as it is but for the agent's program, one file. What was
 * started ends when the layer's scope closes, or this program is killed.
 */
export const layer = (options: GetOptions): Layer.Layer<Exec.Exec> =>
  Layer.effect(Exec.Exec, Effect.flatMap(backend(options), Exec.make))

/**
 * Runs commands in a container of the layer's own, which is gone when the layer's scope closes, or this program is
 * killed, with all its files.
 */
export const layerContainer = (options: Options): Layer.Layer<Exec.Exec> =>
  Layer.effect(Exec.Exec, Effect.flatMap(backendContainer(options), Exec.make))
