/**
 * A container that somebody else made, with an agent exec'd in it.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { packTar } from "modern-tar"
import type { ExecError } from "effect-exec/ExecError"
import type { GetOptions } from "../Container.ts"
import type { ContainerInfo, DockerClient } from "../DockerClient.ts"
import * as Agents from "./agents.ts"
import * as ContainerBackend from "./containerBackend.ts"
import * as Environment from "./environment.ts"
import { notFound, notRunningAs, unsupported } from "./failure.ts"
import type { Opened } from "./own.ts"
import * as Program from "./program.ts"

// It becomes a part of a path; with a slash or a question mark in it, of another one.
const possible = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/

const running = (info: ContainerInfo): Effect.Effect<void, ExecError> =>
  info.status === "running" ? Effect.void : Effect.fail(notRunningAs(info.name, info.status))

// Of the image where it still exists; a container outlives its image's tag, and an engine runs what it was built for.
const architectureOf = (client: DockerClient, { imageId }: ContainerInfo): Effect.Effect<string, ExecError> =>
  client.inspectImage(imageId).pipe(
    Effect.catch((error) => (error.reason._tag === "SandboxNotFound" ? client.version : Effect.fail(error))),
    Effect.map(({ architecture }) => architecture)
  )

const directoryOf = (info: ContainerInfo): Effect.Effect<string, ExecError> => {
  if (!info.readOnlyRoot) return Effect.succeed("/")
  const volume = info.volumes.find(({ writable }) => writable)
  return volume === undefined
    ? Effect.fail(
        unsupported(
          `the container ${info.name}, whose root is read-only`,
          "mount a volume in it, where the agent can be put, or use DockerExec.layerContainer"
        )
      )
    : Effect.succeed(volume.destination)
}

/** Puts the program there once; gives its path. */
const inject = (client: DockerClient, id: string, directory: string, program: Program.Program) =>
  Effect.gen(function* () {
    const path = directory === "/" ? `/${program.name}` : `${directory}/${program.name}`
    const { bytes, name } = program
    if ((yield* client.stat(id, path))?.size === bytes.length) return path
    const file = { header: { name, mode: 0o555, size: bytes.length }, body: bytes }
    yield* client.putArchive(id, directory, yield* Effect.promise(() => packTar([file])))
    return path
  })

// What the engine gives an added capability by default, which an agent needs to become another user, and to kill him.
const needed = ["SETUID", "SETGID", "KILL"]

const capabilitiesOf = ({ capAdd, capDrop, privileged }: ContainerInfo): ReadonlySet<string> => {
  const plain = (names: ReadonlyArray<string>) => names.map((name) => name.toUpperCase().replace(/^CAP_/, ""))
  const dropped = new Set(plain(capDrop))
  const added = new Set(plain(capAdd))
  const has = (name: string) =>
    privileged || added.has("ALL") || added.has(name) || (!dropped.has("ALL") && !dropped.has(name))
  return new Set(needed.filter(has))
}

/** Starts an agent in it. */
export const open = (client: DockerClient, options: GetOptions): Effect.Effect<Opened, ExecError, Scope.Scope> =>
  Effect.gen(function* () {
    if (!possible.test(options.container)) {
      return yield* Effect.fail(notFound(options.container, "a container cannot have this name"))
    }
    const info = yield* client.inspectContainer(options.container)
    yield* running(info)
    const program = yield* Effect.flatMap(architectureOf(client, info), Program.forArchitecture)
    const path = yield* inject(client, info.id, yield* directoryOf(info), program)
    const user = options.user ?? info.user
    const users = yield* Environment.users(client, info.id)
    const found = Environment.find(users, user)
    const env = { HOME: found?.home ?? "/", ...Environment.parse(info.env) }
    const place = { client, id: info.id, program: path, env }
    const { backend, hasEnded } = yield* Agents.start({ ...place, user: options.user })
    const container = yield* ContainerBackend.make({
      place,
      main: backend,
      name: info.name,
      user,
      owner: { uid: found?.uid ?? 0, gid: found?.gid ?? 0 },
      capabilities: capabilitiesOf(info)
    })
    return { container, hasEnded }
  })
