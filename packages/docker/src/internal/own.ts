/**
 * A container of our own, with the agent as its first process.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { packTar } from "modern-tar"
import type { ExecError } from "effect-exec/ExecError"
import type { Live } from "effect-exec/Restarting"
import type { Container, Options } from "../Container.ts"
import type { DockerClient, ImageInfo } from "../DockerClient.ts"
import { greet, whyEnded } from "./agents.ts"
import * as Config from "./config.ts"
import * as ContainerBackend from "./containerBackend.ts"
import * as EnginePipe from "./enginePipe.ts"
import * as Environment from "./environment.ts"
import { notFound } from "./failure.ts"
import * as Owner from "./owner.ts"
import * as Program from "./program.ts"
import * as Rendezvous from "./rendezvous.ts"

/** A container, and whether its agent has ended. */
export interface Opened extends Live {
  readonly container: Container
}

const pull = (client: DockerClient, { image, onPull = () => Effect.void }: Options) =>
  Effect.andThen(Stream.runForEach(client.pull(image), onPull), client.inspectImage(image))

const imageOf = (client: DockerClient, options: Options): Effect.Effect<ImageInfo, ExecError> => {
  if (options.pull === "always") return pull(client, options)
  return client
    .inspectImage(options.image)
    .pipe(
      Effect.catch((missing) =>
        missing.reason._tag === "SandboxNotFound" && options.pull !== "never"
          ? Effect.mapError(pull(client, options), (why) => notPulled(options.image, why))
          : Effect.fail(missing)
      )
    )
}

// The engine's words about the registry mean nothing without the image that is missing.
const notPulled = (image: string, why: ExecError): ExecError =>
  why.reason._tag === "BackendUnavailable"
    ? why
    : notFound(`image ${image}`, `and could not be pulled: ${why.reason.detail?.text ?? why.message}`)

/** Longer than an engine takes to clean up a container. */
const goneAttempts = 100

// Its agent ended with its pipe, before; what is left is for the engine to notice.
const remove = (client: DockerClient, id: string): Effect.Effect<void> =>
  client.removeContainer(id).pipe(
    Effect.andThen(
      Effect.repeat(Effect.option(client.inspectContainer(id)), {
        while: Option.isSome,
        schedule: Schedule.spaced(20),
        times: goneAttempts
      })
    ),
    Effect.catch((error) =>
      Effect.logWarning(`The container ${id.slice(0, 12)} could not be removed; the next start will try`, error)
    )
  )

// An engine that sees other files than this program refuses the place, with the same status as anything else it dislikes.
const createAt = (client: DockerClient, options: Options, agent: string, place: Rendezvous.Place | undefined) => {
  const at = (place: Rendezvous.Place | undefined) => {
    const created = (given: Options) => client.createContainer(Config.body(given, agent, place))
    return created(options).pipe(
      Effect.catch((error) => {
        // An engine gives no more processors than its machine has, and the default is for most machines.
        const [, cpus] = /Range of CPUs is from [\d.]+ to ([\d.]+)/.exec(error.reason.detail?.text ?? "") ?? []
        return options.cpus === undefined && cpus !== undefined
          ? created({ ...options, cpus: Number(cpus) })
          : Effect.fail(error)
      }),
      Effect.map((id) => ({ id, place }))
    )
  }
  return at(place).pipe(
    Effect.catch((error) =>
      place !== undefined && error.reason._tag === "StartFailed" ? at(undefined) : Effect.fail(error)
    )
  )
}

/** Creates and starts it. */
export const create = (client: DockerClient, options: Options): Effect.Effect<Opened, ExecError, Scope.Scope> =>
  Effect.gen(function* () {
    const { user = Config.defaultUser } = options
    const image = yield* imageOf(client, options)
    const program = yield* Program.forArchitecture(image.architecture)
    const offered = yield* Rendezvous.prepare(client.host)
    const { id, place } = yield* Effect.acquireRelease(createAt(client, options, program.name, offered), ({ id }) =>
      remove(client, id)
    )
    yield* Effect.forkScoped(Owner.sweepOnce(client, Effect.andThen(Owner.sweep(client), Rendezvous.sweep)))
    // Only a name has to be looked up; most images are not asked for any.
    const known = /^\d/.test(user) ? [] : yield* Environment.users(client, id)
    const { uid = 0, gid = 0, home = "/" } = Environment.find(known, user) ?? {}
    const files = yield* Effect.promise(() =>
      packTar([
        { header: { name: program.name, mode: 0o555, size: program.bytes.length }, body: program.bytes },
        { header: { name: Config.work, type: "directory", mode: 0o755, uid, gid, size: 0 } }
      ])
    )
    yield* client.putArchive(id, Config.volume, files)
    // Before it starts, or its greeting would be lost, and the end of an owner that died in between unseen.
    const stream = yield* client.attach(id)
    yield* client.startContainer(id)
    const env = {
      HOME: home === "/" ? Config.defaultWorkdir : home,
      ...Environment.parse(image.env),
      ...options.env
    }
    const engine = EnginePipe.make(stream, whyEnded(client, id))
    const pipe = place === undefined ? engine : Rendezvous.over(engine, place)
    const { backend, hasEnded } = yield* greet(pipe, { client, id, env })
    const { name } = yield* client.inspectContainer(id)
    const container = yield* ContainerBackend.make({
      place: { client, id, program: `${Config.volume}/${program.name}`, env },
      main: backend,
      name,
      user,
      owner: { uid, gid },
      capabilities: new Set(options.capabilities ?? [])
    })
    return { container, hasEnded }
  })
