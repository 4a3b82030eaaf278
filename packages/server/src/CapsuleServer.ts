/**
 * Serves the `Exec` of the context as a capsule: whoever connects runs commands there.
 *
 * ```ts
 * import { Effect, Layer, Redacted } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { CapsuleExec } from "@effect-exec/capsule"
 * import { LocalExec } from "@effect-exec/local"
 * import { CapsuleServer } from "@effect-exec/server"
 *
 * const token = Redacted.make("secret")
 *
 * const program = Effect.gen(function* () {
 *   const server = yield* CapsuleServer.make({ token }).pipe(Effect.provide(LocalExec.layer))
 *   const client = CapsuleExec.layer({ url: server.url, token })
 *   const result = yield* Exec.run(Command.make("echo", ["hello"])).pipe(Effect.provide(client))
 *   return result.stdout
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "hello\n"
 * ```
 */
import * as Http from "node:http"
import type { AddressInfo } from "node:net"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { subprotocol } from "@effect-exec/capsule/Wire"
import * as Exec from "effect-exec/Exec"
import { defaults, type Limits } from "./internal/limits.ts"
import * as Sessions from "./internal/sessions.ts"
import * as webSockets from "./internal/webSockets.ts"

/** How to serve. */
export interface Options {
  /** The address to listen on; `127.0.0.1` by default. Any that others can reach needs a `token`. */
  readonly host?: string | undefined
  /** The port to listen on; by default one that is free. */
  readonly port?: number | undefined
  /** What clients have to show. Without one, everybody on this machine may run commands. */
  readonly token?: Redacted.Redacted<string> | undefined
  /** What to bound otherwise than by default. */
  readonly limits?: Partial<Limits> | undefined
}

/** The server could not be started, and how to mend that. */
export class CapsuleServerError extends Schema.TaggedError<CapsuleServerError>()("CapsuleServerError", {
  reason: Schema.Literals(["Unprotected", "ListenFailed"]),
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
    readonly port: number
    /** How many clients have a session now, connected or expected back. */
    readonly sessions: Effect.Effect<number>
  }
>()("@effect-exec/server/CapsuleServer") {}

const loopback = /^(127\.\d+\.\d+\.\d+|::1|localhost)$/

/**
 * Listens until the scope closes. Then the clients are told, everything that they have attached is ended (TERM, grace, KILL), and
 * when that is gone it returns. What they detached belongs to the `Exec`.
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<CapsuleServer["Service"], CapsuleServerError, Exec.Exec | Scope.Scope> {
  const { host = "127.0.0.1", port = 0, token } = options
  const limits = { ...defaults, ...options.limits }
  if (token === undefined && !loopback.test(host)) {
    return yield* new CapsuleServerError({
      reason: "Unprotected",
      problem: `Whoever reaches ${host} could run commands; give a token, or listen on 127.0.0.1.`
    })
  }
  const exec = yield* Exec.Exec
  const http = yield* listen(host, port)
  const sockets = yield* webSockets.make(limits.message)
  const sessions = yield* Sessions.make({ exec, token, limits })
  http.on("upgrade", (request, socket, head) => {
    const protocols = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim())
    if (!protocols.includes(subprotocol)) {
      return void socket.end(
        `HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nThis server speaks ${subprotocol}.\n`
      )
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSockets.accept(webSocket, (connection) => sessions.accept(connection, bearerOf(request)))
    })
  })
  const address = http.address() as AddressInfo
  const authority = address.family === "IPv6" ? `[${address.address}]` : address.address
  return {
    url: `ws://${authority}:${address.port}`,
    host,
    port: address.port,
    sessions: Effect.sync(() => sessions.size)
  }
})

/** As `make`, as a layer. */
export const layer = (options: Options = {}): Layer.Layer<CapsuleServer, CapsuleServerError, Exec.Exec> =>
  Layer.effect(CapsuleServer, make(options))

const bearerOf = ({ headers }: Http.IncomingMessage): string | undefined =>
  /^Bearer (.+)$/i.exec(headers.authorization ?? "")?.[1]

const listen = (host: string, port: number): Effect.Effect<Http.Server, CapsuleServerError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const http = Http.createServer((_, response) => {
        response.writeHead(426, { "content-type": "text/plain" }).end(`Connect by WebSocket, with ${subprotocol}.\n`)
      })
      const failed = (error: Error) => {
        const problem = `Cannot listen on ${host}, port ${port}: ${error.message}`
        resume(Effect.fail(new CapsuleServerError({ reason: "ListenFailed", problem })))
      }
      http.once("error", failed)
      http.listen(port, host, () => {
        http.off("error", failed)
        resume(Effect.succeed(http))
      })
    }),
    (http) =>
      Effect.callback((resume) => {
        http.close(() => resume(Effect.void))
        http.closeAllConnections()
      })
  )
