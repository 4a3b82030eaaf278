/**
 * From a request to a command that runs at the agent, owned by a scope.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { Backend, SpawnRequest } from "effect-exec/Backend"
import * as Command from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { Files } from "effect-exec/Files"
import type { Connection } from "./connection.ts"
import * as deadline from "./deadline.ts"
import { gone, startFailure } from "./failure.ts"
import * as Lookup from "./lookup.ts"
import type { Hello } from "./message.ts"
import { firstWindow } from "./output.ts"
import { refusals, startFlags } from "./protocol.ts"
import { type NotStarted, Remote } from "./remote.ts"
import type { Start } from "./requests.ts"

/** What every command of a connection starts with. */
export interface Base {
  readonly env: Readonly<Record<string, string>>
  /** The directory to start in, from what the command says; the agent's own when empty. */
  readonly cwd: (given: string | undefined) => string
}

/** Longer than the kernel ever takes for processes that can be killed at all. */
const killMillis = 5000

const fieldsOf = (
  { command, stdin }: SpawnRequest,
  env: Readonly<Record<string, string>>,
  cwd: string,
  adopts: boolean
): Start => ({
  flags:
    (stdin === "pipe" ? startFlags.stdin : 0) |
    (command.tty === undefined ? 0 : startFlags.tty) |
    (adopts ? startFlags.offer : 0),
  stdoutCredit: firstWindow,
  stderrCredit: firstWindow,
  columns: command.tty?.columns ?? 0,
  rows: command.tty?.rows ?? 0,
  cwd,
  user: command.user ?? "",
  groups: [],
  limits: [],
  argv: command.argv,
  env: Object.entries(env).map(([name, value]) => `${name}=${value}`)
})

/** What makes commands at one agent. */
export const make = (connection: Connection, hello: Hello, base: Base, files: Files): Backend["spawn"] => {
  const fail = (reason: ExecError.Reason) => Effect.fail(ExecError.make(reason))

  const notStarted = (answer: NotStarted, { command }: SpawnRequest, path: string | undefined, cwd: string) => {
    const [program] = command.argv
    if (answer._tag === "Failed") {
      return startFailure(connection.backend, command, cwd, answer, Lookup.find(files, program, path, cwd))
    }
    const detail = { backend: connection.backend, code: `refused ${answer.code}` }
    return answer.code === refusals.tooMany
      ? fail(new ExecError.LimitReached({ limit: `${hello.maxCommands} commands at a time`, detail }))
      : fail(new ExecError.StartFailed({ program, detail }))
  }

  const release = (remote: Remote, command: Command.Command): Effect.Effect<void> => {
    const ended = remote.isLeft
      ? Effect.void
      : deadline.within(Effect.ignore(remote.killed), killMillis, () => stillThere(command))
    return Effect.andThen(
      ended,
      Effect.sync(() => {
        remote.forget()
        connection.hold(-1)
      })
    )
  }

  // What waits here for as long as the command lives knows of nothing else.
  const releaseWithScope = (remote: Remote, command: Command.Command) =>
    Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizerExit(scope, () => release(remote, command)))

  const begin: Backend["spawn"] = (request) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        if (connection.loss !== undefined) return Effect.fail(gone(connection.backend, connection.loss))
        const env = Command.environment(request.command, base.env)
        const cwd = base.cwd(request.command.cwd)
        const remote = new Remote(connection, request, hello.stdinWindow)
        if (!remote.start(fieldsOf(request, env, cwd, connection.adopts))) {
          remote.withdraw()
          const [program] = request.command.argv
          return fail(new ExecError.StartFailed({ program, detail: { backend: connection.backend, code: "E2BIG" } }))
        }
        connection.hold(1)
        // Whoever leaves before the answer leaves nothing behind: KILL is carried out after the start.
        return restore(Deferred.await(remote.answered)).pipe(
          Effect.flatMap((answer) =>
            answer === undefined ? Effect.void : restore(notStarted(answer, request, env["PATH"], cwd))
          ),
          Effect.onError(() => release(remote, request.command)),
          Effect.andThen(releaseWithScope(remote, request.command)),
          Effect.as(remote)
        )
      })
    )

  return (request) => connection.whenAwake(begin(request))
}

const stillThere = ({ argv: [program] }: Command.Command): Effect.Effect<void> =>
  Effect.logWarning(`Processes of ${program} could not be ended: they were still there after ${killMillis} ms`)
