/**
 * Runs commands in a capsule of the Wrenn service, or of whoever else speaks its API, over HTTP and WebSockets.
 *
 * ```ts check
 * import { Effect, Redacted } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { WrennExec } from "@effect-exec/capsule"
 *
 * const program = Exec.run(Command.shell("echo $GREETING", { env: { GREETING: "hello" } }), { timeout: "1 minute" })
 *
 * const result = program.pipe(
 *   Effect.provide(
 *     WrennExec.layer({
 *       baseUrl: "https://app.wrenn.dev/api",
 *       apiKey: Redacted.make("wrn_…"),
 *       capsuleId: "cl-…"
 *     })
 *   )
 * )
 * ```
 *
 * Where there is a choice `CapsuleExec` and its own protocol are better: this API tells less, and keeps less. What to know:
 *
 * - **It has no stdin, no terminal and no user** for commands; asking for one is `Unsupported`.
 * - **This side enforces** timeouts, output caps and kills, since the service does not: by signals to the tree, from a shell
 *   in the capsule, and by the service's own kill. It needs `/bin/sh`, `awk` and `kill` there. Descendants that left both
 *   their process group and their parents are not reached.
 * - **Environment and directory** reach attached commands as arguments of `env` and a shell, where all users of the capsule
 *   can read them while that starts: the service takes nothing else.
 * - **A detached command** runs in the background with its tag, lives on when the layer closes or its connection is lost, and
 *   is found by tag or pid from anywhere. Who comes later sees what is written from then on; this project's own server
 *   replays the rest. Tags are looked up before a start, since the service takes them twice. A program that is not there
 *   ends with 127 on the service.
 * - **Output is text** for the service: bytes that are no UTF-8 arrive as U+FFFD, and it drops what a slow reader leaves
 *   unread for too long. This project's own server sends every byte, and makes the process wait.
 * - **A death by signal** is told apart only where this side has sent the signal, or the server names it; else the command
 *   fails with `ConnectionLost`, for how it ended is not known. On the service the exit is told when nobody holds the output
 *   any more, which a child in the background may delay.
 * - **A socket that closes before the exit** is `ConnectionLost`, never success. So is a start that nobody has answered: it
 *   may have been one. Nothing is connected before the first use.
 *
 * In Node provide `NodeWS.layerWebSocketConstructor`, whose sockets can wait for a slow reader. Browsers cannot send an API
 * key with a WebSocket, so that they cannot use this.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Exec from "effect-exec/Exec"
import type { Host } from "effect-exec/Host"
import * as WrennHost from "./internal/wrenn/host.ts"
import * as Http from "./internal/wrenn/http.ts"

/** Where the capsule is. */
export interface Options {
  /** What comes before `/v1/capsules`: `https://app.wrenn.dev/api` for the service. */
  readonly baseUrl: string
  /** What the service wants to see, `wrn_…`; it is sent as a header. */
  readonly apiKey?: Redacted.Redacted<string> | undefined
  readonly capsuleId: string
}

/** The host by itself, for wrappers and tests. */
export const host = ({ capsuleId, ...options }: Options): Effect.Effect<Host, never, Scope.Scope> =>
  Effect.flatMap(Http.make(options), (http) => WrennHost.make({ http, capsule: capsuleId }))

/** Runs commands in a capsule. Closing the layer's scope ends what is attached; detached processes live on. */
export const layer = (options: Options): Layer.Layer<Exec.Exec> =>
  Layer.effect(Exec.Exec, Effect.map(host(options), Exec.fromHost))

/** As `layer`, from configuration: `Config.all({ baseUrl: Config.String("WRENN_BASE_URL"), … })`. */
export const layerConfig = (options: Config.Wrap<Options>): Layer.Layer<Exec.Exec, Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))
