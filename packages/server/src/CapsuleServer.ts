/**
 * Serves capsules: places where clients run commands, over WebSockets, each one an `Exec`.
 *
 * The `Exec` of the context is the one capsule of a server without templates:
 *
 * ```ts
 * import { Effect, Layer, Redacted } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { CapsuleExec } from "@effect-exec/capsule"
 * import { LocalExec } from "@effect-exec/local"
 * import { CapsuleServer } from "@effect-exec/server"
 *
 * const token = Redacted.make("secret")
 * const server = CapsuleServer.layer({ auth: token }).pipe(Layer.provide(LocalExec.layer))
 *
 * const program = Effect.gen(function* () {
 *   const { url } = yield* CapsuleServer.CapsuleServer
 *   const client = CapsuleExec.layer({ url, token })
 *   const result = yield* Exec.run(Command.make("echo", ["hello"])).pipe(Effect.provide(client))
 *   return result.stdout
 * })
 *
 * await Effect.runPromise(Effect.provide(program, server)) // => "hello\n"
 * ```
 */
import { randomUUID } from "node:crypto"
import type { AddressInfo } from "node:net"
import type { SecureContextOptions } from "node:tls"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Exec } from "effect-exec/Exec"
import * as auth from "./internal/auth.ts"
import * as Capsules from "./internal/capsules.ts"
import * as Entrance from "./internal/entrance.ts"
import * as httpApp from "./internal/httpApp.ts"
import { listen, whereOf } from "./internal/listen.ts"
import * as origins from "./internal/origins.ts"
import type { Shared } from "./internal/sessions.ts"
import * as telemetry from "./internal/telemetry.ts"
import * as upgrades from "./internal/upgrades.ts"
import * as webSockets from "./internal/webSockets.ts"
import * as conversation from "./internal/wrenn/conversation.ts"
import * as Limits from "./Limits.ts"

/** How to serve. */
export interface Options {
  /**
   * The address to listen on; `127.0.0.1` by default. Any that others can reach needs `auth`. Or the absolute path of a Unix
   * socket, which this user alone may open, and which Node's clients reach with `ws`.
   */
  readonly host?: string | undefined
  /** The port to listen on; by default one that is free. */
  readonly port?: number | undefined
  /**
   * What clients have to show: one token, or several by name, each as good as the others. Without any, everybody on this
   * machine may run commands.
   */
  readonly auth?: auth.Auth | undefined
  /** The Origins (`https://example.com`) whose pages may use the server; none by default. */
  readonly origins?: ReadonlyArray<string> | undefined
  /** The server's key and certificate, as Node's `tls` takes them. Without them what is said is said in clear. */
  readonly tls?: SecureContextOptions | undefined
  /** How long nobody has to use a capsule before it ends; 10 minutes by default. It never does while a process runs. */
  readonly idleTimeout?: Duration.Input | undefined
  /** Some of the limits. */
  readonly limits?: Partial<Limits.Limits> | undefined
}

/** What clients may make capsules of: an `Exec` layer by name, built anew for each, and closed with it. */
export type Templates<R = never> = Readonly<Record<string, Layer.Layer<Exec, unknown, R>>>

/** The server could not be started, and how to mend that. */
export class CapsuleServerError extends Schema.TaggedError<CapsuleServerError>()("CapsuleServerError", {
  reason: Schema.Literals(["Unprotected", "InvalidOption", "ListenFailed"]),
  problem: Schema.String
}) {
  override get message(): string {
    return this.problem
  }
}

/** A server that listens. */
export class CapsuleServer extends Context.Service<
  CapsuleServer,
  {
    /** Where clients connect. */
    readonly url: string
    readonly host: string
    /** 0 where it is a Unix socket, which has none. */
    readonly port: number
    /** How many clients have a session now, connected or expected back. */
    readonly sessions: Effect.Effect<number>
  }
>()("@effect-exec/server/CapsuleServer") {}

type Service = CapsuleServer["Service"]

/**
 * Listens until the scope closes. Then nobody is let in any more, the clients are told, everything that they have attached
 * is ended (TERM, grace, KILL), the capsules that were made of templates end, and when all that is gone it returns. What was
 * detached in the `Exec` of the context belongs to that.
 */
export function make<R>(
  options: Options & { readonly templates: Templates<R> }
): Effect.Effect<Service, CapsuleServerError, R | Scope.Scope>
export function make(options?: Options): Effect.Effect<Service, CapsuleServerError, Exec | Scope.Scope>
export function make<R>(options: Options & { readonly templates?: Templates<R> } = {}) {
  return Effect.contextWith((context: Context.Context<R | Exec>) => {
    const { templates } = options
    const main = templates === undefined ? Context.get(context as Context.Context<Exec>, Exec) : undefined
    return serve(options, withContext(templates ?? {}, context), main)
  })
}

/** As `make`, as a layer. */
export function layer<R>(
  options: Options & { readonly templates: Templates<R> }
): Layer.Layer<CapsuleServer, CapsuleServerError, R>
export function layer(options?: Options): Layer.Layer<CapsuleServer, CapsuleServerError, Exec>
export function layer(options?: Options) {
  return Layer.effect(CapsuleServer, make(options))
}

const serve = Effect.fnUntraced(function* (
  options: Options,
  templates: Templates,
  main: Exec["Service"] | undefined
): Effect.fn.Return<Service, CapsuleServerError, Scope.Scope> {
  yield* check(options)
  const { host = "127.0.0.1", port = 0 } = options
  const limits = { ...Limits.defaults, ...options.limits }
  const shared: Shared = { limits, instance: randomUUID(), sessions: 0 }
  const http = yield* listen(whereOf(host, port), options.tls, limits).pipe(
    Effect.mapError((error) =>
      problem("ListenFailed", `Cannot listen on ${host.startsWith("/") ? host : `${host}, port ${port}`}: ${error}`)
    )
  )
  const sockets = yield* webSockets.make(limits)
  const idleTimeout = Option.getOrThrow(Duration.fromInput(options.idleTimeout ?? "10 minutes"))
  const capsules = yield* Capsules.make({ templates, main, idleTimeout, shared })
  const identify = auth.make(options.auth)
  const from = origins.make(options.origins ?? [], options.auth === undefined)
  const report = telemetry.reporter(yield* Effect.context<never>())
  const metrics = Effect.suspend(() =>
    telemetry.format({
      connections: sockets.clients.size,
      sessions: shared.sessions,
      capsules: capsules.all().length
    })
  )
  const app = yield* httpApp.make({ capsules, identify, limits, metrics, origins: from, report })
  const handler = yield* NodeHttpServer.makeHandler(app, { scope: yield* Effect.scope })
  http.on("request", handler)
  const enter = Entrance.make(identify, limits, (id) => capsules.find(id)?.sessions)
  const run = yield* FiberSet.makeRuntime<never>()
  const hold = conversation.make({ capsules, identify, limits, report })
  const converse: upgrades.Parts["converse"] = (guest) => run(hold(guest))
  http.on("upgrade", upgrades.make({ converse, enter, limits, origins: from, report, sockets }))
  const address = http.address() as AddressInfo | string
  const url = urlOf(options.tls === undefined ? "ws" : "wss", address)
  yield* Effect.logDebug("Capsules are served").pipe(Effect.annotateLogs({ url, templates: Object.keys(templates) }))
  // Before all else: nobody is let in any more.
  yield* Effect.addFinalizer(() => {
    http.close()
    return Effect.annotateLogs(Effect.logDebug("Capsules are served no more"), { url })
  })
  return {
    url,
    host,
    port: typeof address === "string" ? 0 : address.port,
    sessions: Effect.sync(() => shared.sessions)
  }
})

// As `ws` takes the address of a Unix socket: the path of a request stands behind the last colon.
const urlOf = (scheme: string, address: AddressInfo | string): string => {
  if (typeof address === "string") return `${scheme}+unix:${address}:/`
  const authority = address.family === "IPv6" ? `[${address.address}]` : address.address
  return `${scheme}://${authority}:${address.port}`
}

const withContext = <R>(templates: Templates<R>, context: Context.Context<R>): Templates =>
  Object.fromEntries(
    Object.entries(templates).map(([name, layer]) => [name, Layer.provide(layer, Layer.succeedContext(context))])
  )

const problem = (reason: CapsuleServerError["reason"], problem: string) => new CapsuleServerError({ reason, problem })

const check = ({ auth: keys, host = "127.0.0.1" }: Options): Effect.Effect<void, CapsuleServerError> => {
  if (keys === undefined && !origins.isLoopback(host)) {
    return Effect.fail(
      problem("Unprotected", `Whoever reaches ${host} could run commands; give auth, or listen on 127.0.0.1.`)
    )
  }
  for (const [name, key] of keys === undefined ? [] : auth.keysOf(keys)) {
    if (Redacted.value(key) === "") return Effect.fail(problem("InvalidOption", `The token ${name} is empty.`))
  }
  return Effect.void
}
