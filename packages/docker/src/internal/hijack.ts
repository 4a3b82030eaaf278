/**
 * An HTTP request that becomes a raw stream in both directions: `attach`, and the start of an exec.
 *
 * docker-modem's own way neither honours backpressure nor can be aborted once it is upgraded, hence this one.
 */
import * as Http from "node:http"
import * as Net from "node:net"
import * as Tls from "node:tls"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { EngineFailure } from "./failure.ts"
import type { Host } from "./host.ts"

/** The stream. */
export interface Upgraded {
  /**
   * Reads to the end, or until `take` says that it is enough, with `true`. A chunk is borrowed until `take` returns, for
   * one buffer is used for all. While nobody reads the sender is stopped. One at a time; the next one goes on where the
   * last one ended or was interrupted.
   */
  readonly read: (take: (chunk: Uint8Array) => boolean) => Effect.Effect<"end" | "enough", EngineFailure>
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

// Several reads' worth, so that one turn of the event loop takes what the engine wrote in one of its own.
const readSize = 256 * 1024

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

type Reading = Effect.Effect<"end" | "enough", EngineFailure>

interface Reader {
  readonly take: (chunk: Uint8Array) => boolean
  readonly done: (how: Reading) => void
}

/**
 * A socket to the engine that reads into one buffer again and again: half the work of `data` events, which allocate.
 * Only a socket of one's own can be told to, so that the answer to the request has to be handed to Node's parser here.
 */
class Connection implements Upgraded {
  readonly socket: Net.Socket
  private reader: Reader | undefined
  // What came while nobody read: what the answer brought along, and one chunk more.
  private readonly early: Array<Uint8Array> = []
  private ended: Reading | undefined
  private isUpgraded = false

  constructor(host: Host) {
    const options = {
      ...(host.socketPath === undefined ? { host: host.hostname, port: host.port } : { path: host.socketPath }),
      ...host.tls,
      onread: {
        buffer: new Uint8Array(readSize),
        callback: (size: number, buffer: Uint8Array) => this.arrived(buffer.subarray(0, size))
      }
    }
    this.socket = host.tls === undefined ? Net.connect(options as Net.NetConnectOpts) : Tls.connect(options)
    // A link that is cut without a word would otherwise never be noticed.
    this.socket.setKeepAlive(true, keepAliveMillis)
  }

  /** The request was granted. */
  upgraded(head: Uint8Array): void {
    this.isUpgraded = true
    if (head.length > 0) this.early.push(head)
    this.socket.pause()
    this.socket.on("error", (cause) => this.over(Effect.fail(socketFailure(cause))))
    this.socket.once("end", () => this.over(Effect.succeed("end")))
    this.socket.once("close", () => this.over(Effect.succeed("end")))
  }

  readonly read: Upgraded["read"] = (take) =>
    Effect.callback((resume) => {
      for (let chunk = this.early.shift(); chunk !== undefined; chunk = this.early.shift()) {
        if (take(chunk)) return resume(Effect.succeed("enough"))
      }
      if (this.ended !== undefined) return resume(this.ended)
      this.reader = { take, done: resume }
      this.socket.resume()
      return Effect.sync(() => {
        this.reader = undefined
      })
    })

  readonly write: Upgraded["write"] = (bytes) =>
    Effect.callback((resume) => {
      this.socket.write(bytes, (cause) => resume(cause == null ? Effect.void : Effect.fail(socketFailure(cause))))
    })

  readonly end: Effect.Effect<void> = Effect.sync(() => void this.socket.end())

  readonly hold = (busy: boolean): void => {
    if (busy) this.socket.ref()
    else this.socket.unref()
  }

  // False stops the socket, and with it the sender.
  private arrived(chunk: Uint8Array): boolean {
    if (!this.isUpgraded) return this.socket.emit("data", Buffer.from(chunk))
    if (this.reader === undefined) {
      this.early.push(new Uint8Array(chunk))
      return false
    }
    if (this.reader.take(chunk)) this.done(Effect.succeed("enough"))
    // Whoever was told so may be reading on already.
    return this.reader !== undefined
  }

  private over(how: Reading): void {
    this.ended ??= how
    this.done(this.ended)
  }

  private done(how: Reading): void {
    const { reader } = this
    this.reader = undefined
    reader?.done(how)
  }
}

const open = (host: Host, { body, deadlineMillis, path }: Request): Effect.Effect<Connection, EngineFailure> =>
  Effect.callback((resume) => {
    const text = JSON.stringify(body ?? {})
    const connection = new Connection(host)
    const request = Http.request({
      // Its own, and not a pooled one, which may be half dead: this request cannot be sent twice.
      createConnection: () => connection.socket,
      host: host.hostname,
      method: "POST",
      path,
      headers: {
        "Content-Type": "application/json",
        "Content-Length": Buffer.byteLength(text),
        Connection: "Upgrade",
        Upgrade: "tcp"
      }
    })
    const done = (answer: Effect.Effect<Connection, EngineFailure>) => {
      clearTimeout(late)
      resume(answer)
    }
    const late = setTimeout(() => {
      done(Effect.fail({ code: "ETIMEDOUT", text: `no answer to ${path} within ${deadlineMillis} ms` }))
      request.destroy()
    }, deadlineMillis)
    request.on("error", (cause) => done(Effect.fail(socketFailure(cause))))
    request.once("upgrade", (_response, _socket, head) => {
      connection.upgraded(head)
      done(Effect.succeed(connection))
    })
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
  Effect.acquireRelease(open(host, request), ({ socket }) => Effect.sync(() => socket.destroy()), {
    interruptible: true
  })
