/**
 * Agents that are exec'd in a container that runs: the one of a container that is not ours, and one for each user whom
 * the first agent may not become.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Agent from "@effect-exec/agent/Agent"
import type { PipeFailure } from "@effect-exec/agent/Pipe"
import type { Backend } from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import type { DockerClient } from "../DockerClient.ts"
import type { Upgraded } from "./hijack.ts"
import * as deadline from "./deadline.ts"
import * as EnginePipe from "./enginePipe.ts"
import { unsupported } from "./failure.ts"

/** An agent that runs. */
export interface AgentBackend {
  readonly backend: Backend
  readonly hasEnded: () => boolean
}

/** Where an agent is started, and what its commands start with. */
export interface Place {
  readonly client: DockerClient
  readonly id: string
  /** Its program there. */
  readonly program: string
  readonly env: Readonly<Record<string, string>>
  readonly user: string | undefined
}

/** Connects to an agent over its pipe, keeping this program alive meanwhile. */
export const greet = (
  { hasEnded, pipe }: EnginePipe.EnginePipe,
  env: Readonly<Record<string, string>>
): Effect.Effect<AgentBackend, ExecError.ExecError, Scope.Scope> =>
  Effect.suspend(() => {
    pipe.hold(true)
    return Agent.connect(pipe, { name: "docker", env }).pipe(
      Effect.map((backend) => ({ backend, hasEnded })),
      Effect.ensuring(Effect.sync(() => pipe.hold(false)))
    )
  })

/** Why the stream of a container's process ended, as far as the engine can still be asked. */
export const whyEnded = (client: DockerClient, id: string): Effect.Effect<PipeFailure> =>
  deadline.within(look(client, id), askMillis, () =>
    Effect.succeed({ code: "ETIMEDOUT", text: "the engine does not answer" })
  )

/** Commands that were lost wait no longer than this for the reason why. */
const askMillis = 2000

// The processes of a container that is killed are gone before the engine says so of the container.
const again = { times: 5, schedule: Schedule.spaced(40) }

const look = (client: DockerClient, id: string): Effect.Effect<PipeFailure> =>
  client.inspectContainer(id).pipe(
    Effect.repeat({ ...again, while: ({ status }) => status === "running" }),
    Effect.map(({ exitCode, name, oomKilled, status }) =>
      status === "running"
        ? { code: "EPIPE", text: `the agent in the container ${name} has ended` }
        : {
            code: "EPIPE",
            text: `the container ${name} is ${status}, exit code ${exitCode}${oomKilled ? ", out of memory" : ""}`
          }
    ),
    Effect.catch(({ reason }) =>
      Effect.succeed(
        reason._tag === "SandboxNotFound"
          ? { code: "ENOENT", text: `the container ${id.slice(0, 12)} was removed` }
          : { code: reason.detail?.code ?? "EIO", text: reason.message }
      )
    )
  )

/**
 * Execs an agent. When it could not be started the engine says so in its place, on its stdout; the exec then has exit
 * code 126 and no pid.
 */
export const start = (place: Place): Effect.Effect<AgentBackend, ExecError.ExecError, Scope.Scope> =>
  Effect.gen(function* () {
    const { client, env, id, program, user } = place
    const exec = yield* client.createExec(id, {
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
      Cmd: [program],
      ...(user === undefined ? {} : { User: user })
    })
    const stream = yield* client.startExec(exec)
    yield* Effect.addFinalizer(() => lastWords(stream))
    const pipe = EnginePipe.make(stream, whyEnded(client, id))
    return yield* greet(pipe, env).pipe(
      Effect.catch((error) =>
        // Read first: asked about an exec whose output nobody took, an engine may never answer.
        Effect.flatMap(Effect.andThen(lastWords(stream), ended(client, exec)), (info) =>
          Effect.fail(info?.exitCode === 126 && info.pid === 0 ? refused(place, pipe.firstWords()) : error)
        )
      )
    )
  })

/** Longer than it takes to kill all trees. */
const endMillis = 10_000

// Its pipe was ended, so that it kills what is left and ends: whoever closes the scope may rely on that. What it still
// says is read, because an engine with unread output holds up the whole container.
const lastWords = ({ end, pull }: Upgraded): Effect.Effect<void> =>
  Effect.andThen(
    end,
    deadline.within(
      Effect.ignore(Effect.repeat(pull, { while: (chunk) => chunk !== undefined })),
      endMillis,
      () => Effect.void
    )
  )

// Its exit is recorded after its stream ended, or a moment later.
const ended = (client: DockerClient, exec: string) =>
  client.inspectExec(exec).pipe(
    Effect.repeat({
      while: ({ running, exitCode }) => running || exitCode === undefined,
      schedule: Schedule.spaced(20),
      times: 50
    }),
    Effect.option,
    Effect.map((found) => (found._tag === "Some" ? found.value : undefined))
  )

const refused = ({ id, program, user }: Place, words: string): ExecError.ExecError => {
  const detail = { backend: "docker", code: "126", text: words }
  if (/unable to find (user|group)|no matching entries/.test(words)) {
    return ExecError.make(new ExecError.UserNotFound({ user: user ?? "", detail }))
  }
  if (/exec format error|permission denied|operation not permitted/.test(words)) {
    return unsupported(
      `the container ${id.slice(0, 12)}, where its agent may not be executed`,
      `${words}; mount a volume there whose files may be executed`
    )
  }
  return ExecError.make(new ExecError.StartFailed({ program, detail }))
}
