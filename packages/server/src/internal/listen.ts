/**
 * The server of Node that listens: where, with which certificate, and how long strangers may take.
 */
import * as Http from "node:http"
import * as Fs from "node:fs"
import * as Https from "node:https"
import { connect, type ListenOptions, type Server } from "node:net"
import type { SecureContextOptions } from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Limits } from "../Limits.ts"

/** Where: an address and a port, or the path of a Unix socket in the place of an address. */
export const whereOf = (host: string, port: number): ListenOptions =>
  host.startsWith("/") ? { path: host } : { host, port }

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
        server.once("listening", () => {
          server.off("error", failed)
          resume(Effect.succeed(server))
        })
        if (where.path === undefined) server.listen(where)
        else listenAt(server, where.path)
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

// For this user alone from its first moment on. One that nobody listens at was left behind by a server that was killed.
const listenAt = (server: Server, path: string): void => {
  const begin = () => {
    const before = process.umask(0o177)
    try {
      server.listen(path)
    } finally {
      process.umask(before)
    }
  }
  const probe = connect(path)
  probe.once("connect", () => {
    probe.destroy()
    server.emit("error", new Error("a server listens there already"))
  })
  probe.once("error", ({ code }: NodeJS.ErrnoException) => {
    if (code === "ECONNREFUSED") Fs.rmSync(path, { force: true })
    begin()
  })
}
