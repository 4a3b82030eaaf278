/**
 * An HTTP request that becomes a raw stream in both directions: `attach`, and the start of an exec.
 *
 * docker-modem's own way neither honours backpressure nor can be aborted once it is upgraded, hence this one.
 */
import * as Http from "node:http"
import * as Https from "node:https"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EngineFailure } from "./failure.ts"
import type { Host } from "./host.ts"

/** The stream. */
export interface Upgraded {
  /** The next chunk; `undefined` at the end. Reads from the socket only when asked. One at a time. */
  readonly pull: Effect.Effect<Uint8Array | undefined, EngineFailure>
  /** Writes all of it; ends when more may be written. One at a time. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void, EngineFailure>
  /** Closes this direction; the other one goes on. Idempotent. */
  readonly end: Effect.Effect<void>
  /** Whether it keeps this program alive. */
  readonly hold: (busy: boolean) => void
}

/** What is asked. */
export interface Request {
  readonly path: string
  readonly body: unknown
  readonly deadlineMillis: number
}

/** How long a link may be silent before it is probed, each second, for ten more. */
const keepAliveMillis = 15_000

const socketFailure = (cause: NodeJS.ErrnoException): EngineFailure => ({
  code: cause.code ?? "EIO",
  text: cause.message
})

const words = (body: string): string => {
  try {
    const { message } = JSON.parse(body) as { readonly message?: unknown }
    return typeof message === "string" ? message : body
  } catch {
    // Some answers, to a client that is too old for one, are plain text.
    return body.trim()
  }
}

interface Opened {
  readonly socket: Duplex
  readonly head: Uint8Array
}

const open = (host: Host, { body, deadlineMillis, path }: Request): Effect.Effect<Opened, EngineFailure> =>
  Effect.callback((resume) => {
    const text = JSON.stringify(body ?? {})
    const request = (host.tls === undefined ? Http : Https).request({
      ...(host.socketPath === undefined ? { host: host.hostname, port: host.port } : { socketPath: host.socketPath }),
      ...host.tls,
      method: "POST",
      path,
      // A connection of its own: a pooled one may be half dead, and this request cannot be sent twice.
      agent: false,
      headers: {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(text),
        Connection: "Upgrade",
        Upgrade: "tcp"
      }
    })
    const done = (answer: Effect.Effect<Opened, EngineFailure>) => {
      clearTimeout(late)
      resume(answer)
    }
    const late = setTimeout(() => {
      done(Effect.fail({ code: "ETIMEDOUT", text: `no answer to ${path} within ${deadlineMillis} ms` }))
      request.destroy()
    }, deadlineMillis)
    request.on("error", (cause) => done(Effect.fail(socketFailure(cause))))
    request.once("upgrade", (_response, socket, head) => done(Effect.succeed({ socket, head })))
    request.once("response", (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("close", () =>
        done(Effect.fail({ status: response.statusCode, text: words(Buffer.concat(chunks).toString()) }))
      )
    })
    request.end(text)
    return Effect.sync(() => {
      clearTimeout(late)
      request.destroy()
    })
  })

/**
 * Opens the stream. Closing the scope destroys the socket: the engine closes the stdin of the process, and kills
 * nothing.
 */
export const upgrade = (host: Host, request: Request): Effect.Effect<Upgraded, EngineFailure, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(open(host, request), ({ socket }) => Effect.sync(() => socket.destroy()), {
      interruptible: true
    }),
    ({ head, socket }) => streamOf(socket, head)
  )

const streamOf = (socket: Duplex, head: Uint8Array): Upgraded => {
  // What the request's answer brought along comes first.
  const arrived: Array<Uint8Array> = head.length > 0 ? [head] : []
  let ended: Effect.Effect<undefined, EngineFailure> | undefined
  let waiting: (() => void) | undefined
  const wake = () => {
    const waiter = waiting
    waiting = undefined
    waiter?.()
  }
  const end = (how: Effect.Effect<undefined, EngineFailure>) => {
    ended ??= how
    wake()
  }
  // A link that is cut without a word would otherwise never be noticed.
  if (socket instanceof Socket) socket.setKeepAlive(true, keepAliveMillis)
  socket.pause()
  socket.on("data", (chunk: Uint8Array) => {
    arrived.push(chunk)
    // Nobody asked for more yet: the rest stays in the kernel, which is what stops the sender.
    socket.pause()
    wake()
  })
  socket.on("error", (cause) => end(Effect.fail(socketFailure(cause))))
  socket.once("end", () => end(Effect.succeed(undefined)))
  socket.once("close", () => end(Effect.succeed(undefined)))

  const now = (): Effect.Effect<Uint8Array | undefined, EngineFailure> | undefined => {
    const chunk = arrived.shift()
    return chunk === undefined ? ended : Effect.succeed(chunk)
  }
  return {
    pull: Effect.callback((resume) => {
      const ready = now()
      if (ready !== undefined) return resume(ready)
      waiting = () => resume(now()!)
      socket.resume()
      return Effect.sync(() => {
        waiting = undefined
      })
    }),
    write: (bytes) =>
      Effect.callback((resume) => {
        socket.write(bytes, (cause) => resume(cause == null ? Effect.void : Effect.fail(socketFailure(cause))))
      }),
    end: Effect.sync(() => void socket.end()),
    hold: (busy) => {
      const counted = socket as Duplex & { readonly ref?: () => void; readonly unref?: () => void }
      if (busy) counted.ref?.()
      else counted.unref?.()
    }
  }
}
