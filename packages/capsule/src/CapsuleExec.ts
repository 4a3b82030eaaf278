/**
 * Runs commands on a remote capsule, many at a time over one WebSocket.
 *
 * ```ts check
 * import { Effect, Redacted } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { CapsuleExec } from "@effect-exec/capsule"
 *
 * const program = Exec.run(Command.make("uname", ["-a"]))
 *
 * const result = program.pipe(
 *   Effect.provide(CapsuleExec.layer({ url: "ws://127.0.0.1:7777", token: Redacted.make("secret") }))
 * )
 * ```
 *
 * What to know:
 *
 * - **Nothing is connected before the first use**, which fails with `BackendUnavailable` when the server cannot be reached.
 * - **A connection that is lost is made again**, for 15 s; output and stdin go on with exact bytes, and commands and
 *   signals arrive once. Only when that fails do the commands that ran fail with `ConnectionLost`; the next one connects
 *   anew. A server that was restarted has lost them at once.
 * - **The server owns the processes** and enforces their timeouts, caps and kills. When this program vanishes, its attached
 *   processes are ended 30 s later; detached ones live on, and are found again by id, tag or pid, from anywhere.
 * - **A consumer that does not read** stops its own process and no other. It holds 256 KiB at first, and 16 MiB at the most
 *   where the path needs that much.
 * - **Closing the layer's scope** ends the session, and with it what is still attached.
 *
 * It has no Node in it, and runs in a browser, Deno and Bun as well, by the platform's own WebSocket. In Node `ws` is faster:
 * where a `WebSocketConstructor` of Effect's is in the context, as `NodeWS.layerWebSocketConstructor`, that is used.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as WebSocketConstructor from "effect/socket/Socket"
import * as Exec from "effect-exec/Exec"
import type { Host } from "effect-exec/Host"
import type { Connect } from "./Connection.ts"
import * as CapsuleHost from "./internal/capsuleHost.ts"
import { web, type WebSocketLike } from "./internal/web.ts"
import * as WebSocket from "./internal/webSocket.ts"

/** Where the capsule is. */
export interface Options {
  /**
   * The server's address, `ws://` or `wss://`; `http://` and `https://` mean the same. A capsule that was made of a
   * template is at `/capsules/ID`.
   */
  readonly url: string
  /** What the server wants to see; it is sent in the first message, never in the URL. */
  readonly token?: Redacted.Redacted<string> | undefined
}

/** How `layer` opens its sockets, for wrappers and tests. */
export const connect = (url: string): Effect.Effect<Connect> =>
  Effect.map(Effect.serviceOption(WebSocketConstructor.WebSocketConstructor), (constructor) => {
    const open: WebSocket.Open = Option.match(constructor, {
      onNone: () => (url, protocols) => new web.WebSocket(url, protocols),
      onSome: (make) => (url, protocols) => make(url, protocols) as unknown as WebSocketLike
    })
    return WebSocket.connect(open, url.replace(/^http/i, "ws"))
  })

/** The host by itself, for wrappers and tests. */
export const host = ({ token, url }: Options): Effect.Effect<Host, never, Scope.Scope> =>
  Effect.flatMap(connect(url), (connect) => CapsuleHost.make(connect, token))

/** Runs commands on the capsule at the other end of a socket of your own. */
export const layerConnection = (options: {
  readonly connect: Connect
  readonly token?: Redacted.Redacted<string> | undefined
}): Layer.Layer<Exec.Exec> =>
  Layer.effect(Exec.Exec, Effect.map(CapsuleHost.make(options.connect, options.token), Exec.fromHost))

/** Runs commands on a capsule. Closing the layer's scope ends what is attached; detached processes live on. */
export const layer = (options: Options): Layer.Layer<Exec.Exec> =>
  Layer.effect(Exec.Exec, Effect.map(host(options), Exec.fromHost))

/** As `layer`, from configuration: `Config.all({ url: Config.String("CAPSULE_URL"), … })`. */
export const layerConfig = (options: Config.Wrap<Options>): Layer.Layer<Exec.Exec, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
