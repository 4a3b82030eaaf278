/** A client that says what it likes. */
import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import { WebSocket } from "ws"
import { subprotocol } from "@effect-exec/capsule/Wire"

/** What came of it. */
export interface RawClient {
  readonly frames: ReadonlyArray<string | Uint8Array>
  readonly send: (frame: string | Uint8Array) => Effect.Effect<void>
  /** Waits for the first frame from here on that is text and contains this. */
  readonly sees: (text: string) => Effect.Effect<string>
  /** Waits for the close, and gives its code. */
  readonly closed: Effect.Effect<number>
  /** Reads no more, and sends these bytes again and again, until it is cut. */
  readonly deaf: (bytes: Uint8Array) => Effect.Effect<void>
}

/** Connects; closing the scope cuts it. */
export const connect = (
  url: string,
  headers: Readonly<Record<string, string>> = {},
  protocols: ReadonlyArray<string> = [subprotocol]
) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<WebSocket, Error>((resume) => {
        const socket = new WebSocket(url, [...protocols], { headers })
        socket.on("open", () => resume(Effect.succeed(socket)))
        socket.on("error", (error) => resume(Effect.fail(error)))
      }),
      (socket) => Effect.sync(() => socket.terminate())
    ),
    (socket): RawClient => {
      const frames: Array<string | Uint8Array> = []
      const wakes = new Set<() => void>()
      let code: number | undefined
      const wake = () => {
        for (const look of wakes) look()
      }
      socket.on("message", (data: Buffer, isBinary) => {
        frames.push(isBinary ? data : data.toString())
        wake()
      })
      socket.on("close", (it) => {
        code = it
        wake()
      })
      const until = <A>(look: () => A | undefined): Effect.Effect<A> =>
        Effect.callback((resume) => {
          const again = () => {
            const found = look()
            if (found === undefined) return
            wakes.delete(again)
            resume(Effect.succeed(found))
          }
          wakes.add(again)
          again()
          return Effect.sync(() => wakes.delete(again))
        })
      return {
        frames,
        send: (frame) => Effect.sync(() => socket.send(frame)),
        sees: (text) => until(() => frames.find((it): it is string => typeof it === "string" && it.includes(text))),
        closed: until(() => code),
        deaf: (bytes) =>
          Effect.callback((resume) => {
            const raw = (socket as unknown as { readonly _socket: Socket })._socket
            raw.pause()
            raw.on("close", () => resume(Effect.void))
            const more = (): void => {
              while (!raw.destroyed && raw.write(bytes)) {}
            }
            raw.on("drain", more)
            more()
          })
      }
    }
  )

/** The Hello of a session of one's own. */
export const helloOf = (session: string, more: object = {}) =>
  JSON.stringify({ _tag: "Hello", session: session.repeat(32).slice(0, 32), resume: false, received: 0, ...more })

/** A Start with these changes. */
export const startOf = (channel: number, argv: ReadonlyArray<string>, more: object = {}) =>
  JSON.stringify({
    _tag: "Start",
    channel,
    id: `raw-${channel}`,
    command: { argv },
    stdin: "none",
    policy: { timeout: "Infinity", grace: 500, killDeadline: 5000, lingering: "kill" },
    credit: 262_144,
    ...more
  })
