/**
 * The Wrenn service, or whoever else speaks its API: capsules are created, found, paused, resumed and destroyed.
 *
 * ```ts check
 * import { Effect, Redacted } from "effect"
 * import { Command } from "effect-exec"
 * import { WrennCapsule, WrennClient } from "@effect-exec/capsule"
 *
 * const program = Effect.gen(function* () {
 *   const capsule = yield* WrennCapsule.make({ template: "minimal" })
 *   return yield* capsule.exec.run(Command.shell("uname -a"))
 * })
 *
 * const service = WrennClient.layer({ baseUrl: "https://app.wrenn.dev/api", apiKey: Redacted.make("wrn_…") })
 *
 * const result = program.pipe(Effect.scoped, Effect.provide(service))
 * ```
 *
 * Requests are made by the platform's `fetch`, or by an `HttpClient` of Effect's where one is in the context. Both generations
 * of the service are understood: the one that answers when it is done, and the one that only begins.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import * as Host from "effect-exec/Host"
import * as Files from "./internal/wrenn/files.ts"
import * as WrennHost from "./internal/wrenn/host.ts"
import * as Http from "./internal/wrenn/http.ts"
import * as WrennWire from "./WrennWire.ts"

/** Where the service is. */
export interface Options {
  /** What comes before `/v1/capsules`: `https://app.wrenn.dev/api` for the service. */
  readonly baseUrl: string
  /** What the service wants to see, `wrn_…`; it is sent as a header. */
  readonly apiKey?: Redacted.Redacted<string> | undefined
}

/** What is made. */
export interface CreateOptions {
  /** One of the service's; `minimal` by default. */
  readonly template?: string | undefined
  /** How many processors it is to have; the service has a default, and others may not heed it. */
  readonly vcpus?: number | undefined
  /** How much memory it is to have, in MiB; the service has a default, and others may not heed it. */
  readonly memoryMb?: number | undefined
  /** How long nobody has to use it, in whole seconds, before the service pauses it; 0 for ever. It has a default. */
  readonly idleTimeout?: Duration.Input | undefined
}

/** The service. Every call fails with `BackendUnavailable` where it cannot be reached, or wants another key. */
export class WrennClient extends Context.Service<
  WrennClient,
  {
    /** Makes a capsule; it may still be starting. `InvalidCommand` for no such template, `LimitReached`. */
    readonly create: (options: CreateOptions) => Effect.Effect<WrennWire.Capsule, ExecError>
    readonly list: Effect.Effect<ReadonlyArray<WrennWire.Capsule>, ExecError>
    /** `SandboxNotFound` when there is none with this id; what has ended may be `stopped` for a while. */
    readonly get: (id: string) => Effect.Effect<WrennWire.Capsule, ExecError>
    /** Ends a capsule and everything in it. */
    readonly destroy: (id: string) => Effect.Effect<void, ExecError>
    /**
     * Stops everything in it where it is; until it is resumed commands fail with `SandboxNotRunning`. It may be `pausing`
     * still.
     */
    readonly pause: (id: string) => Effect.Effect<WrennWire.Capsule, ExecError>
    /** Lets it go on. It may be `resuming` still. */
    readonly resume: (id: string) => Effect.Effect<WrennWire.Capsule, ExecError>
    /** Says that it is in use still. */
    readonly ping: (id: string) => Effect.Effect<void, ExecError>
    /** Runs commands in a capsule, as `WrennExec` does. */
    readonly exec: (id: string) => Effect.Effect<Exec.Exec["Service"], never, Scope.Scope>
    readonly files: (id: string) => Files.Files
  }
>()("@effect-exec/capsule/WrennClient") {}

/** The service by its address. Nothing is connected before the first call. */
export const layer = (options: Options): Layer.Layer<WrennClient> => Layer.effect(WrennClient, make(options))

/** As `layer`, from configuration: `Config.all({ baseUrl: Config.String("WRENN_BASE_URL"), … })`. */
export const layerConfig = (options: Config.Wrap<Options>): Layer.Layer<WrennClient, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const make = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<WrennClient["Service"]> {
  const http = yield* Http.make(options)
  const capsuleAt = (method: "GET" | "POST", id: string, path = "") =>
    http.json({ method, path: `${Http.at(id)}${path}`, capsule: id }, WrennWire.Capsule)
  return {
    create: Effect.fnUntraced(function* ({ idleTimeout, memoryMb, template, vcpus }) {
      const idle = idleTimeout === undefined ? undefined : yield* Host.checkDuration("idleTimeout", idleTimeout)
      const body: WrennWire.Create = {
        ...(template === undefined ? {} : { template }),
        ...(vcpus === undefined ? {} : { vcpus }),
        ...(memoryMb === undefined ? {} : { memory_mb: memoryMb }),
        ...(idle === undefined ? {} : { timeout_sec: secondsOf(idle) })
      }
      return yield* http.json({ method: "POST", path: "", capsule: "", body }, WrennWire.Capsule)
    }),
    list: http.json({ method: "GET", path: "", capsule: "" }, Schema.Array(WrennWire.Capsule)),
    get: (id) => capsuleAt("GET", id),
    destroy: (id) => Effect.asVoid(http.ask({ method: "DELETE", path: Http.at(id), capsule: id })),
    pause: (id) => capsuleAt("POST", id, "/pause"),
    resume: (id) => capsuleAt("POST", id, "/resume"),
    ping: (id) => Effect.asVoid(http.ask({ method: "POST", path: `${Http.at(id)}/ping`, capsule: id })),
    exec: (id) => Effect.map(WrennHost.make({ http, capsule: id }), Exec.fromHost),
    files: (id) => Files.make(http, id)
  }
})

// Whole ones, and never none: 0 is for ever.
const secondsOf = (idle: Duration.Duration): number => {
  const seconds = Duration.toSeconds(idle)
  return Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : 0
}
