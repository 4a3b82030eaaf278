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
import * as deadline from "./deadline.ts"
import * as EnginePipe from "./enginePipe.ts"
import { unsupported } from "./failure.ts"
import * as Inside from "./inside.ts"
import * as Orphans from "./orphans.ts"

/** An agent that runs. */
export interface AgentBackend {
  readonly backend: Backend
  readonly hasEnded: () => boolean
}

/** Where an agent is started, and what its commands start with. */
export interface Place extends Inside.Place {
  readonly env: Readonly<Record<string, string>>
}

/** Connects to an agent over its pipe, keeping this program alive meanwhile. */
export const greet = (
  { hasEnded, pipe }: EnginePipe.EnginePipe,
  { client, env, id }: Pick<Place, "client" | "id" | "env">
): Effect.Effect<AgentBackend, ExecError.ExecError, Scope.Scope> =>
  Effect.suspend(() => {
    pipe.hold(true)
    return Agent.connect(pipe, { name: "docker", env, standstill: standstill(client, id) }).pipe(
      Effect.map((backend) => ({ backend, hasEnded })),
      Effect.ensuring(Effect.sync(() => pipe.hold(false)))
    )
  })

/** Whether the container is paused; that of which nothing is known, is not. */
const standstill = (client: DockerClient, id: string): Effect.Effect<Agent.Standstill | undefined> => {
  const asked = Effect.map(client.inspectContainer(id), ({ name, status }) =>
    status === "paused" ? { sandbox: name, state: status } : undefined
  )
  return deadline.within(
    Effect.orElseSucceed(asked, () => undefined),
    askMillis,
    () => Effect.undefined
  )
}

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

/** Execs an agent. */
export const start = (place: Place): Effect.Effect<AgentBackend, ExecError.ExecError, Scope.Scope> =>
  Effect.gen(function* () {
    const mark = Orphans.mark()
    const run = yield* Inside.start(place, [], mark)
    const end = Effect.flatMap(standstill(place.client, place.id), (paused) =>
      // It reads the end of its stdin, and ends with all that it started, when the container goes on.
      paused === undefined ? Effect.andThen(Inside.end(run), Orphans.kill(place, run, mark)) : run.stream.end
    )
    yield* Effect.addFinalizer(() => end)
    // Before its commands are told that they are lost.
    const whyLost = Effect.tap(whyEnded(place.client, place.id), () => end)
    const pipe = EnginePipe.make(run.stream, whyLost)
    return yield* greet(pipe, { ...place, env: { ...place.env, ...mark } }).pipe(
      Effect.catch((error) =>
        error.reason._tag === "SandboxNotRunning"
          ? Effect.fail(error)
          : Effect.flatMap(Effect.andThen(Inside.end(run), Inside.outcome(place, run)), (info) =>
              Effect.fail(Inside.isRefused(info) ? refused(place, pipe.firstWords()) : error)
            )
      )
    )
  })

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
