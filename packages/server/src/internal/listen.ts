/**
 * The server of Node that listens: where, with which certificate, and how long strangers may take.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import type { ListenOptions } from "node:net"
import type { SecureContextOptions } from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Limits } from "../Limits.ts"

// How often Node looks for requests that take too long, in milliseconds.
const lookEvery = 1_000

// Connections beyond the limit, which are told so; those beyond these are cut without a word.
const spare = 1_000

/** Listens until the scope closes; then what is still connected is cut. Fails with words for people. */
export const listen = (
  where: ListenOptions,
  tls: SecureContextOptions | undefined,
  limits: Limits
): Effect.Effect<Http.Server, string, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const options: Http.ServerOptions = {
        headersTimeout: limits.greeting,
        // A body may take its time, where a route lets it.
        requestTimeout: 0,
        connectionsCheckingInterval: lookEvery
      }
      const failed = (error: unknown) => resume(Effect.fail(error instanceof Error ? error.message : String(error)))
      try {
        const server =
          tls === undefined
            ? Http.createServer(options)
            : Https.createServer({ ...options, ...tls, handshakeTimeout: limits.greeting })
        server.maxConnections = limits.connections + spare
        server.once("error", failed)
        server.listen(where, () => {
          server.off("error", failed)
          resume(Effect.succeed(server))
        })
      } catch (error) {
        // A key or certificate that is none.
        failed(error)
      }
    }),
    (server) =>
      Effect.callback((resume) => {
        server.close(() => resume(Effect.void))
        server.closeAllConnections()
      })
  )
