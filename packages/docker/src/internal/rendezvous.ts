/**
 * A pipe to the agent of a container on this machine that makes no detour through the engine: a Unix socket in a
 * directory which both see, two to three times as fast as the engine's stream. That one brings the agent's offer, and
 * later only the end.
 *
 * Once they have met, before any command starts, the directory is empty and closed. It cannot be removed before the
 * container, or the engine could not mount it when it is asked for a file there. Wherever any of it does not work (an
 * engine that sees other files than this program, or is in a virtual machine, a policy that forbids it) the engine's
 * stream remains the pipe.
 */
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Mount } from "../Container.ts"
import type { EngineFailure } from "./failure.ts"
import type { EnginePipe } from "./enginePipe.ts"
import * as Owner from "./owner.ts"

/** Where they meet. */
export interface Place {
  /** The directory as this program sees it; in another one, which only its user may enter. */
  readonly directory: string
}

const inside = "/run/effect-exec"
const name = "s"

/** What the container has to be given. */
export const mount = ({ directory }: Place): Mount => ({ source: directory, target: inside, readOnly: false })

/** What the agent has to be told. */
export const args = ["--socket", Path.posix.join(inside, name)]

const prefix = "effect-exec-"

const make = (): Place => {
  const directory = Path.join(Fs.mkdtempSync(Path.join(Os.tmpdir(), `${prefix}${Owner.name()}-`)), "d")
  Fs.mkdirSync(directory)
  // For whomever the agent runs as.
  Fs.chmodSync(directory, 0o777)
  return { directory }
}

const remove = (path: string): void => Fs.rmSync(path, { recursive: true, force: true })

const close = ({ directory }: Place): Effect.Effect<void> =>
  Effect.sync(() => {
    // The agent does it too, and may find the directory closed.
    remove(Path.join(directory, name))
    Fs.chmodSync(directory, 0o555)
  })

/** Removes what programs left here that were killed. */
export const sweep: Effect.Effect<void> = Effect.ignore(
  Effect.try(() => {
    for (const name of Fs.readdirSync(Os.tmpdir()).filter((name) => name.startsWith(prefix))) {
      if (Owner.hasGone(name.slice(prefix.length))) remove(Path.join(Os.tmpdir(), name))
    }
  })
)

/** A place for one container, until the scope closes; `undefined` where there can be none. */
export const prepare = (host: string): Effect.Effect<Place | undefined, never, Scope.Scope> =>
  process.platform === "linux" && host.startsWith("unix:")
    ? Effect.acquireRelease(Effect.try(make), ({ directory }) =>
        Effect.ignore(Effect.try(() => remove(Path.dirname(directory))))
      ).pipe(Effect.orElseSucceed(() => undefined))
    : Effect.succeed(undefined)

// The agent's offer: these, and a token that proves who has read it.
const magic = new TextEncoder().encode("EXAS")
const tokenSize = 16
const declined = new Uint8Array(1)

const offer = Effect.fnUntraced(function* ({ peek, skip }: EnginePipe) {
  const first = yield* peek(magic.length)
  if (magic.some((byte, index) => first[index] !== byte)) return undefined
  const token = (yield* peek(magic.length + tokenSize)).subarray(magic.length)
  skip()
  return token
})

// Several reads' worth, so that one turn of the event loop takes what the agent wrote in one of its own.
const readSize = 256 * 1024

const dial = (
  { directory }: Place,
  take: (chunk: Uint8Array) => void
): Effect.Effect<Net.Socket, NodeJS.ErrnoException, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback((resume) => {
      const socket = Net.connect({
        path: Path.join(directory, name),
        // Into one buffer again and again: twice as fast as `data` events, which allocate.
        onread: {
          buffer: new Uint8Array(readSize),
          callback: (size, buffer) => {
            take(buffer.subarray(0, size))
            return true
          }
        }
      })
      // It lives as long as the engine's stream, which is what keeps this program alive.
      socket.unref()
      socket.once("connect", () => resume(Effect.succeed(socket)))
      // Always listened to: an error that nobody hears ends this program.
      socket.on("error", (cause) => resume(Effect.fail(cause)))
      return Effect.sync(() => void socket.destroy())
    }),
    (socket) => Effect.sync(() => void socket.destroy()),
    { interruptible: true }
  )

const closed = (socket: Net.Socket): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

const write = (socket: Net.Socket, bytes: Uint8Array): Effect.Effect<void, EngineFailure> =>
  Effect.callback((resume) => {
    socket.write(bytes, (cause?: NodeJS.ErrnoException | null) =>
      resume(cause == null ? Effect.void : Effect.fail({ code: cause.code ?? "EIO", text: cause.message }))
    )
  })

/** The pipe: a socket at this place if the agent offers one and it is reached, else the engine's stream. */
export const over = (engine: EnginePipe, place: Place): EnginePipe => {
  let socket: Net.Socket | undefined

  const say = (socket: Net.Socket, bytes: Uint8Array) => write(socket, bytes).pipe(Effect.catch(engine.lost))
  const meet = (take: (chunk: Uint8Array) => void) =>
    Effect.gen(function* () {
      const token = yield* offer(engine)
      if (token === undefined) return
      socket = yield* Effect.orElseSucceed(dial(place, take), () => undefined)
      yield* socket === undefined ? engine.pipe.write(declined) : say(socket, token)
    }).pipe(Effect.ensuring(close(place)))

  return {
    ...engine,
    hasEnded: () => socket?.destroyed === true || engine.hasEnded(),
    pipe: {
      read: (take) =>
        Effect.andThen(
          meet(take),
          Effect.suspend(() =>
            socket === undefined
              ? engine.pipe.read(take)
              : Effect.raceFirst(
                  Effect.andThen(closed(socket), engine.lost({ code: "EPIPE", text: "the agent closed its socket" })),
                  engine.pipe.read(() => {})
                )
          )
        ).pipe(Effect.scoped),
      write: (bytes) => (socket === undefined ? engine.pipe.write(bytes) : say(socket, bytes)),
      end: Effect.suspend(() => {
        socket?.end()
        return engine.pipe.end
      }),
      hold: engine.pipe.hold
    }
  }
}
