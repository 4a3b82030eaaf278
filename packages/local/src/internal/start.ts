/**
 * Starting a child process with Node, with every failure as an `ExecError`.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process"
import type { Readable, Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Backend from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import * as Lookup from "./lookup.ts"
import * as Environment from "./environment.ts"
import * as StartFailure from "./startFailure.ts"
import * as Users from "./users.ts"

/** A child that runs: Node leaves `pid` and the streams open in its types. */
export interface Child extends ChildProcess {
  readonly pid: number
  readonly stdin: Writable | null
  readonly stdout: Readable
  readonly stderr: Readable
}

/** What every command of a layer starts with. */
export interface Base {
  readonly env: Environment.Environment
  /** `undefined`: where this process is. */
  readonly cwd: string | undefined
}

const isChild = (child: ChildProcess): child is Child => child.pid !== undefined

const destroyStreams = (child: ChildProcess): void => child.stdio?.forEach((stream) => stream?.destroy())

/**
 * Starts the command in a session and process group of its own. Blocks this thread for the time of a fork, 2 ms and
 * more where this process is large; `started` is called before anything else can run, so that it
 * misses no event of the child.
 */
export const start = <A>(
  request: Backend.SpawnRequest,
  base: Base,
  started: (child: Child) => A
): Effect.Effect<A, ExecError.ExecError> =>
  Effect.suspend(() => {
    const { command } = request
    const [program, ...args] = command.argv
    // A relative directory is relative to the default one, which may itself be relative to where this process is.
    const cwd = command.cwd === undefined ? base.cwd : Lookup.from(base.cwd, command.cwd)
    const env = Environment.of(base.env, command)
    const attempt: StartFailure.Attempt = { command, cwd, path: env["PATH"] }

    const ids = command.user === undefined ? undefined : Users.find(command.user)
    if (command.user !== undefined && ids === undefined) {
      return Effect.fail(ExecError.make(new ExecError.UserNotFound({ user: command.user })))
    }
    const options: SpawnOptions = {
      env: env as NodeJS.ProcessEnv,
      // Node calls `setsid`, so that signals to the group reach no other command, and Ctrl-C in this terminal none.
      detached: true,
      stdio: [request.stdin === "pipe" ? "pipe" : "ignore", "pipe", "pipe"],
      ...(cwd === undefined ? {} : { cwd }),
      // With ids Node also gives up root's supplementary groups, and takes none of the user's.
      ...ids
    }

    let child: ChildProcess
    try {
      child = spawn(program, args, options)
    } catch (cause) {
      return Effect.fail(StartFailure.fromNode(cause as NodeJS.ErrnoException, attempt))
    }
    if (isChild(child)) {
      // Without a listener Node would end the whole program, should it ever report one later.
      child.on("error", ignored)
      return Effect.succeed(started(child))
    }
    return Effect.callback((resume) => {
      child.once("error", (cause: NodeJS.ErrnoException) => {
        destroyStreams(child)
        resume(Effect.fail(StartFailure.fromNode(cause, attempt)))
      })
    })
  })

const ignored = (): void => {}

/** Closes our ends of the pipes of a child. */
export const release = destroyStreams
