/**
 * A capsule of the Wrenn service as a resource: created, awaited, and gone with its scope.
 *
 * ```ts check
 * import { Effect, Stream } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { WrennCapsule } from "@effect-exec/capsule"
 *
 * const program = Effect.gen(function* () {
 *   const capsule = yield* WrennCapsule.make({ template: "minimal" })
 *   yield* capsule.files.write("/app/hello.sh", "echo hello")
 *   const lines = Exec.lines(capsule.exec.stream(Command.make("/bin/sh", ["/app/hello.sh"])))
 *   yield* Stream.runForEach(lines, Effect.log)
 * })
 * ```
 *
 * What its commands can do, and what the service does not tell, is said with `WrennExec`.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import { backend } from "./internal/wrenn/failure.ts"
import type { Files } from "./internal/wrenn/files.ts"
import { type CreateOptions, WrennClient } from "./WrennClient.ts"
import type * as WrennWire from "./WrennWire.ts"

/** A capsule that one uses. */
export class WrennCapsule extends Context.Service<
  WrennCapsule,
  {
    readonly id: string
    /** Runs commands in it. */
    readonly exec: Exec.Exec["Service"]
    readonly files: Files
    /** What the service tells of it now. */
    readonly info: Effect.Effect<WrennWire.Capsule, ExecError.ExecError>
    /** Stops everything in it where it is, and returns then; until it is resumed commands fail with `SandboxNotRunning`. */
    readonly pause: Effect.Effect<void, ExecError.ExecError>
    /** Lets it go on, and returns when commands can run in it. */
    readonly resume: Effect.Effect<void, ExecError.ExecError>
    /** Says that it is in use still: the service pauses what is idle, a command that runs too long included. */
    readonly ping: Effect.Effect<void, ExecError.ExecError>
  }
>()("@effect-exec/capsule/WrennCapsule") {}

type Service = WrennCapsule["Service"]

/**
 * Creates a capsule and waits until it runs, 30 s at the most. Closing the scope destroys it, and interrupting `make` does, too,
 * once the service has answered. When this program is killed it stays until it is idle for too long.
 *
 * Fails with `InvalidCommand` for a template that the service does not have, `LimitReached`, `BackendUnavailable`, and
 * `SandboxNotRunning` where it does not come to run.
 */
export const make = Effect.fnUntraced(function* (
  options: CreateOptions = {}
): Effect.fn.Return<Service, ExecError.ExecError, WrennClient | Scope.Scope> {
  const client = yield* WrennClient
  const { id } = yield* Effect.acquireRelease(client.create(options), ({ id }) => destroyed(client, id))
  yield* comeTo(client, id, "running")
  return yield* use(client, id)
})

/** Uses a capsule that exists, and resumes it where it is paused. Closing the scope ends what was attached, and nothing else. */
export const connect = Effect.fnUntraced(function* (
  id: string
): Effect.fn.Return<Service, ExecError.ExecError, WrennClient | Scope.Scope> {
  const client = yield* WrennClient
  yield* comeTo(client, id, "running")
  return yield* use(client, id)
})

/** The capsules of the service. */
export const list: Effect.Effect<ReadonlyArray<WrennWire.Capsule>, ExecError.ExecError, WrennClient> = Effect.flatMap(
  WrennClient,
  (client) => client.list
)

/** Ends a capsule, whoever made it. `SandboxNotFound` when there is none. */
export const destroy = (id: string): Effect.Effect<void, ExecError.ExecError, WrennClient> =>
  Effect.flatMap(WrennClient, (client) => client.destroy(id))

/** Runs commands in a capsule of the layer's own, made as by `make`. */
export const layer = (
  options?: CreateOptions
): Layer.Layer<WrennCapsule | Exec.Exec, ExecError.ExecError, WrennClient> =>
  Layer.effectContext(Effect.map(make(options), contextOf))

/** Runs commands in a capsule that exists, as by `connect`. */
export const layerConnect = (id: string): Layer.Layer<WrennCapsule | Exec.Exec, ExecError.ExecError, WrennClient> =>
  Layer.effectContext(Effect.map(connect(id), contextOf))

const contextOf = (capsule: Service): Context.Context<WrennCapsule | Exec.Exec> =>
  Context.make(WrennCapsule, capsule).pipe(Context.add(Exec.Exec, capsule.exec))

const destroyed = (client: WrennClient["Service"], id: string): Effect.Effect<void> =>
  client.destroy(id).pipe(
    Effect.catchReason("ExecError", "SandboxNotFound", () => Effect.void),
    Effect.catch((error) =>
      Effect.annotateLogs(Effect.logWarning("A capsule could not be destroyed", error), { capsule: id })
    )
  )

const patience = Duration.seconds(30)

// From one look to the next, in milliseconds.
const shortest = 50
const longest = 500

const over = new Set(["stopped", "missing", "error"])

const notRunning = (id: string, state: string, text: string) =>
  ExecError.make(new ExecError.SandboxNotRunning({ sandbox: id, state, detail: { backend, text } }))

// There is no word for that in the API: one asks again and again.
const comeTo = (
  client: WrennClient["Service"],
  id: string,
  wanted: "running" | "paused"
): Effect.Effect<void, ExecError.ExecError> => {
  let last = "starting"
  const look = (pause: number): Effect.Effect<void, ExecError.ExecError> =>
    Effect.flatMap(client.get(id), ({ status }) => {
      last = status
      if (status === wanted) return Effect.void
      if (over.has(status)) return Effect.fail(notRunning(id, status, `it does not come to be ${wanted} any more`))
      const isToResume = wanted === "running" && status === "paused"
      return Effect.andThen(
        isToResume ? Effect.asVoid(client.resume(id)) : Effect.sleep(pause),
        Effect.suspend(() => look(Math.min(2 * pause, longest)))
      )
    })
  return Effect.timeoutOrElse(look(shortest), {
    duration: patience,
    orElse: () => Effect.fail(notRunning(id, last, `it did not come to be ${wanted} in 30 s`))
  })
}

const use = Effect.fnUntraced(function* (
  client: WrennClient["Service"],
  id: string
): Effect.fn.Return<Service, never, Scope.Scope> {
  return {
    id,
    exec: yield* client.exec(id),
    files: client.files(id),
    info: client.get(id),
    pause: Effect.andThen(client.pause(id), comeTo(client, id, "paused")),
    resume: Effect.andThen(client.resume(id), comeTo(client, id, "running")),
    ping: client.ping(id)
  }
})
