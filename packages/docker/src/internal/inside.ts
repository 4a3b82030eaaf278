/**
 * The agent's program, run in a container by the engine's exec.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { ExecError } from "effect-exec/ExecError"
import type { DockerClient, ExecInfo } from "../DockerClient.ts"
import { notRunning, notRunningAs } from "./failure.ts"
import * as deadline from "./deadline.ts"
import type { Upgraded } from "./hijack.ts"

/** Where it is run, and as whom. */
export interface Place {
  readonly client: DockerClient
  readonly id: string
  /** Its path there. */
  readonly program: string
  readonly user: string | undefined
}

/** A run of it. */
export interface Run {
  readonly exec: string
  readonly stream: Upgraded
}

/** Starts it. Closing the scope ends its stdin, and nothing else. */
export const start = (
  { client, id, program, user }: Place,
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {}
): Effect.Effect<Run, ExecError, Scope.Scope> =>
  Effect.gen(function* () {
    const exec = yield* client.createExec(id, {
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      Cmd: [program, ...args],
      Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(user === undefined ? {} : { User: user })
    })
    const stream = yield* Effect.catchReason(client.startExec(exec), "ExecError", "SandboxNotRunning", (_, error) =>
      Effect.flatMap(stateOf(client, id, error), Effect.fail)
    )
    return { exec, stream }
  })

// What became of the container between the two calls: the engine only says that it has forgotten the exec.
const stateOf = (client: DockerClient, id: string, error: ExecError): Effect.Effect<ExecError, ExecError> => {
  const { detail } = error.reason
  return detail?.code !== "404"
    ? Effect.succeed(error)
    : Effect.map(client.inspectContainer(id), ({ name, status }) =>
        status === "running" ? notRunning(name, "restarted", detail.text) : notRunningAs(name, status)
      )
}

/** Longer than it takes to kill all trees. One that takes longer is killed; its supervisors do it then. */
const endMillis = 4000

/**
 * Ends its stdin and waits until it has ended, or takes too long. What it still says is read, because an engine with
 * unread output holds up the whole container.
 */
export const end = ({ stream: { end, read } }: Run): Effect.Effect<void> =>
  Effect.andThen(
    end,
    deadline.within(Effect.ignore(read(() => false)), endMillis, () => Effect.void)
  )

/**
 * What became of it; `undefined` when the engine cannot say it any more. To be asked after the end of its stream: asked
 * about a run whose output nobody took, an engine may never answer.
 */
export const outcome = ({ client }: Place, { exec }: Run): Effect.Effect<ExecInfo | undefined> =>
  client.inspectExec(exec).pipe(
    // Its exit is recorded after its stream ended, or a moment later.
    Effect.repeat({
      while: ({ running, exitCode }) => running || exitCode === undefined,
      schedule: Schedule.spaced(20),
      times: 50
    }),
    Effect.orElseSucceed(() => undefined)
  )

/** Whether it never started: then what came on its stdout are the engine's words about that. */
export const isRefused = (info: ExecInfo | undefined): boolean => info?.exitCode === 126 && info.pid === 0
