/**
 * The variant of the local backend with an agent: one for the layer, started when it is first needed.
 */
import * as Fs from "node:fs"
import { createRequire } from "node:module"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Agent from "@effect-exec/agent/Agent"
import type * as Backend from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import * as Restarting from "effect-exec/Restarting"
import * as AgentPipe from "./agentPipe.ts"
import type * as Start from "./start.ts"

/** The agent's program for this machine; `undefined` where there is none, or it may not be executed. */
export const program = (): string | undefined => {
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64")) return undefined
  try {
    const path = createRequire(import.meta.url).resolve(`@effect-exec/agent/bin/agent-linux-${process.arch}`)
    Fs.accessSync(path, Fs.constants.X_OK)
    return path
  } catch {
    return undefined
  }
}

// Where this process is; it may have been removed.
const here = (): string | undefined => {
  try {
    return process.cwd()
  } catch {
    return undefined
  }
}

const directory =
  (base: string | undefined) =>
  (given: string | undefined): string => {
    const path =
      given === undefined ? (base ?? "") : base === undefined || Path.isAbsolute(given) ? given : Path.join(base, given)
    if (Path.isAbsolute(path)) return path
    // The agent stays where this process was when it started it, so it is told where this process is now.
    const now = here()
    return now === undefined ? path : Path.join(now, path)
  }

// What passes by itself is no reason to do without an agent for good.
const transient = new Set(["EAGAIN", "ENOMEM", "EMFILE", "ENFILE"])

const isTransient = ({ reason }: ExecError.ExecError): boolean => transient.has(reason.detail?.code ?? "")

/** Starts commands with an agent; where that cannot be started the first time, with `portable` from then on. */
export const make = (
  file: string,
  base: Start.Base,
  portable: Backend.Backend
): Effect.Effect<Backend.Backend, never, Scope.Scope> =>
  Effect.gen(function* () {
    // Where one worked, it is not the system that is to blame for the next.
    let hasWorked = false
    const withoutAgent = { backend: portable, hasEnded: () => false }
    const agent = yield* Restarting.make(
      attempt(begin(file, base)).pipe(
        Effect.tap(() => Effect.sync(() => void (hasWorked = true))),
        Effect.catch((error) =>
          hasWorked || isTransient(error)
            ? Effect.fail(error)
            : Effect.as(
                Effect.logDebug("The agent cannot be started here; commands start without it", error),
                withoutAgent
              )
        )
      )
    )
    return {
      name: "local",
      capabilities: Effect.flatMap(agent, ({ backend }) => backend.capabilities),
      spawn: (request) => Effect.flatMap(agent, ({ backend }) => backend.spawn(request)),
      files: Effect.flatMap(agent, ({ backend }) => backend.files ?? Effect.undefined)
    }
  })

// Of one that could not be started nothing is left.
const attempt = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(Effect.flatMap(Effect.scope, Scope.fork), (scope) =>
    Effect.onError(Scope.provide(effect, scope), (cause) => Scope.close(scope, Exit.failCause(cause)))
  )

const begin = (file: string, base: Start.Base) =>
  Effect.gen(function* () {
    const { hasEnded, pipe } = yield* Effect.mapError(AgentPipe.start(file, here()), ({ code = "EIO" }) =>
      ExecError.make(
        new ExecError.BackendUnavailable({
          backend: "local",
          hint: 'Its agent could not be started; see whether this user may start programs, or use agent: "never".',
          detail: { backend: "local", code }
        })
      )
    )
    pipe.hold(true)
    const backend = yield* Effect.ensuring(
      Agent.connect(pipe, { name: "local", env: base.env, cwd: directory(base.cwd) }),
      Effect.sync(() => pipe.hold(false))
    )
    return { backend, hasEnded }
  })
