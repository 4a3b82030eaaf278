/**
 * A server of capsules, as its clients use it: capsules are created, found and destroyed over HTTP, and used over WebSockets.
 *
 * ```ts check
 * import { Effect, Redacted } from "effect"
 * import { Command } from "effect-exec"
 * import { Capsule, CapsuleClient } from "@effect-exec/capsule"
 *
 * const program = Effect.gen(function* () {
 *   const capsule = yield* Capsule.make({ template: "python" })
 *   return yield* capsule.exec.run(Command.python("print(6 * 7)"))
 * })
 *
 * const server = CapsuleClient.layer({ url: "http://127.0.0.1:7777", token: Redacted.make("secret") })
 *
 * const result = program.pipe(Effect.scoped, Effect.provide(server))
 * ```
 *
 * Requests are made by the platform's `fetch`, or by an `HttpClient` of Effect's where one is in the context; sockets as
 * `CapsuleExec` opens them.
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import type { CapsuleInfo } from "./CapsuleInfo.ts"
import * as CapsuleExec from "./CapsuleExec.ts"
import * as api from "./internal/api.ts"

/** Where the server is. */
export interface Options {
  /** Its address, `http://` or `https://`; `ws://` and `wss://` mean the same. */
  readonly url: string
  /** What the server wants to see; it is never in a URL. */
  readonly token?: Redacted.Redacted<string> | undefined
}

/** What is made. */
export interface CreateOptions {
  /** One of the server's. */
  readonly template: string
  /**
   * An id of your own, 1 to 128 letters, digits, `.`, `_` or `-`, the first a letter or digit: creating twice with one id creates
   * once.
   */
  readonly id?: string | undefined
  /** How long nobody has to use it before the server may end it; the server has a default. */
  readonly idleTimeout?: Duration.Input | undefined
}

/** A server of capsules. Every call fails with `BackendUnavailable` where it cannot be reached, or wants another token. */
export class CapsuleClient extends Context.Service<
  CapsuleClient,
  {
    /** Makes a capsule, once for each id; it may still be starting. `LimitReached`, `InvalidCommand` for no such template. */
    readonly create: (options: CreateOptions) => Effect.Effect<CapsuleInfo, ExecError>
    readonly list: Effect.Effect<ReadonlyArray<CapsuleInfo>, ExecError>
    /** `SandboxNotFound` when there is none with this id, or no more. */
    readonly get: (id: string) => Effect.Effect<CapsuleInfo, ExecError>
    /** Ends a capsule and everything in it, and returns when it is gone. */
    readonly destroy: (id: string) => Effect.Effect<void, ExecError>
    /** Runs commands in a capsule, over a session that lasts as long as the scope. Nothing is connected before the first. */
    readonly exec: (id: string) => Effect.Effect<Exec.Exec["Service"], never, Scope.Scope>
  }
>()("@effect-exec/capsule/CapsuleClient") {}

/** A server by its address. Nothing is connected before the first call. */
export const layer = (options: Options): Layer.Layer<CapsuleClient> => Layer.effect(CapsuleClient, make(options))

/** As `layer`, from configuration: `Config.all({ url: Config.String("CAPSULE_URL"), … })`. */
export const layerConfig = (options: Config.Wrap<Options>): Layer.Layer<CapsuleClient, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

const make = Effect.fnUntraced(function* ({ token, url }: Options): Effect.fn.Return<CapsuleClient["Service"]> {
  // What opens sockets is what was given to this layer, whoever uses it later.
  const context = yield* Effect.context<never>()
  const base = url.replace(/\/+$/, "")
  return {
    ...(yield* api.make(base.replace(/^ws/i, "http"), token)),
    exec: (id) =>
      CapsuleExec.host({ url: `${base}/capsules/${encodeURIComponent(id)}`, token }).pipe(
        Effect.updateContext((own: Context.Context<Scope.Scope>) => Context.merge(context, own)),
        Effect.map(Exec.fromHost)
      )
  }
})
