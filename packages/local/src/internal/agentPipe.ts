/**
 * The agent as a child process, and the pipe to it.
 */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Pipe, PipeFailure } from "@effect-exec/agent/Pipe"

/** An agent that runs. */
export interface AgentProcess {
  readonly pipe: Pipe & Required<Pick<Pipe, "hold">>
  /** Whether it has ended, or was told to. */
  readonly hasEnded: () => boolean
}

// Several reads' worth, so that one turn of the event loop takes what the agent wrote in one of its own.
const readSize = 256 * 1024

// What the kernel allows for the name of a Unix socket, with its end.
const maxSocketPath = 107

/** Longer than it takes to kill all trees. */
const endMillis = 10_000

const failureOf = (cause: NodeJS.ErrnoException): PipeFailure => ({
  code: cause.code ?? "EIO",
  text: "the pipe to the agent"
})

/** Where its data goes, before somebody reads and after nobody does any more. */
interface Reader {
  take: (chunk: Uint8Array) => void
  ended: (how: Effect.Effect<void, PipeFailure>) => void
}

interface Connected {
  readonly socket: Net.Socket
  readonly peer: Net.Socket
}

/**
 * A connected pair of sockets, ours reading into one buffer again and again: twice as fast as `data` events, which
 * allocate. Only a socket that one opens oneself can be told to, and not those that Node makes for a child, hence the
 * detour: a Unix socket in a directory that is ours alone, removed as soon as the two are connected.
 */
const pair = (reader: Reader): Promise<Connected> =>
  new Promise((resolve, reject) => {
    const short = Path.join(Os.tmpdir(), "effect-exec-")
    const directory = Fs.mkdtempSync(short.length + 8 < maxSocketPath ? short : "/tmp/effect-exec-")
    const server = Net.createServer({ pauseOnConnect: true })
    const done = () => {
      server.close()
      Fs.rmSync(directory, { recursive: true, force: true })
    }
    const fail = (cause: Error) => {
      done()
      reject(cause)
    }
    server.once("error", fail)
    server.listen(Path.join(directory, "s"), () => {
      const socket = Net.connect({
        path: Path.join(directory, "s"),
        // The agent is told the end of our direction, and may still speak.
        allowHalfOpen: true,
        onread: {
          buffer: new Uint8Array(readSize),
          callback: (size, buffer) => {
            reader.take((buffer as Uint8Array).subarray(0, size))
            return true
          }
        }
      } as Net.NetConnectOpts)
      socket.once("error", fail)
      server.once("connection", (peer) => {
        socket.off("error", fail)
        done()
        resolve({ socket, peer })
      })
    })
  })

const startChild = (program: string, cwd: string | undefined, peer: Net.Socket): Promise<ChildProcess> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, [], {
      // In a session of its own, so that Ctrl-C in this terminal leaves it to this program what becomes of its commands.
      detached: true,
      env: {},
      stdio: [peer, peer, "ignore"],
      ...(cwd === undefined ? {} : { cwd })
    })
    child.once("error", reject)
    child.once("spawn", () => resolve(child))
  })

const open = async (program: string, cwd: string | undefined) => {
  const reader: Reader = { take: () => {}, ended: () => {} }
  const { peer, socket } = await pair(reader)
  try {
    const child = await startChild(program, cwd, peer)
    return { child, socket, reader }
  } catch (cause) {
    socket.destroy()
    throw cause
  } finally {
    peer.destroy()
  }
}

/**
 * Starts the program. Blocks this thread once, for the time of a fork. When the scope closes its stdin ends, and with
 * it all that it started; the closing waits for that.
 */
export const start = (
  program: string,
  cwd: string | undefined
): Effect.Effect<AgentProcess, PipeFailure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.tryPromise({ try: () => open(program, cwd), catch: (cause) => failureOf(cause as NodeJS.ErrnoException) }),
    ({ child, socket }) =>
      Effect.callback<void>((resume) => {
        const done = () => {
          clearTimeout(late)
          socket.destroy()
          resume(Effect.void)
        }
        // It kills its trees by itself when it is killed.
        const late = setTimeout(() => child.kill("SIGKILL"), endMillis)
        if (child.exitCode !== null || child.signalCode !== null) return done()
        child.ref()
        child.once("exit", done)
        socket.end()
      })
  ).pipe(
    Effect.map(({ child, socket, reader }) => {
      let ended = false
      let users = 0
      child.unref()
      socket.once("error", (cause) => reader.ended(Effect.fail(failureOf(cause))))
      socket.once("end", () => reader.ended(Effect.void))
      socket.once("close", () => {
        ended = true
        reader.ended(Effect.void)
      })
      const end = () => {
        ended = true
        socket.end()
      }
      return {
        hasEnded: () => ended,
        pipe: {
          read: (take) =>
            Effect.callback((resume) => {
              reader.take = take
              reader.ended = resume
              return Effect.sync(() => {
                reader.take = () => {}
                reader.ended = () => {}
              })
            }),
          write: (bytes) =>
            Effect.callback((resume) => {
              socket.write(bytes, (cause) => resume(cause == null ? Effect.void : Effect.fail(failureOf(cause))))
            }),
          end: Effect.sync(end),
          hold: (busy) => {
            users += busy ? 1 : -1
            if (users > 0) socket.ref()
            else socket.unref()
          }
        }
      } satisfies AgentProcess
    })
  )
