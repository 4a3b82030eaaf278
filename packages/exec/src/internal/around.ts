/**
 * An `Exec` with something around each command that it starts, whichever way.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Command } from "../Command.ts"
import { Exec } from "../Exec.ts"
import type { ExecError } from "../ExecError.ts"
import type { DetachedProcess } from "../Process.ts"

type Service = Exec["Service"]

/**
 * What a command becomes, if it is started at all. The scope is that of its process: closed when that has ended, or its
 * start failed.
 */
export type Before = (command: Command) => Effect.Effect<Command, ExecError, Scope.Scope>

/** The four ways to start a command; all else stays as it is. Files go by commands, so that they get no way around. */
export const starting = (exec: Service, starts: Pick<Service, "run" | "stream" | "spawn" | "detach">): Service =>
  Exec.of({
    ...starts,
    get: exec.get,
    connect: exec.connect,
    list: exec.list,
    kill: exec.kill,
    events: exec.events,
    capabilities: exec.capabilities
  })

/**
 * Does something in a scope of its own, which the owner closes with itself: where that fails at once, so that nothing is
 * left of it. Where it succeeds, what then has to be done comes before any interruption.
 */
const attemptIn = <A, E, R>(
  owner: Scope.Scope,
  effect: Effect.Effect<A, E, R>,
  succeeded: (value: A, scope: Scope.Closeable) => Effect.Effect<unknown> = () => Effect.void
): Effect.Effect<A, E, Exclude<R, Scope.Scope>> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Scope.fork(owner), (scope) =>
      restore(Scope.provide(effect, scope)).pipe(
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.tap((value) => succeeded(value, scope))
      )
    )
  )

/** What it acquires is the scope's that it is in; where it fails, nothing is left of it. */
export const attempt = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Scope.Scope> =>
  Effect.flatMap(Effect.scope, (owner) => attemptIn(owner, effect))

/** Starts a detached process with what belongs to it: the scope closes when the process has ended, or the layer does. */
export const owned =
  (layer: Scope.Scope) =>
  <R>(start: Effect.Effect<DetachedProcess, ExecError, R | Scope.Scope>) =>
    attemptIn(layer, start, (process, scope) =>
      Effect.forkIn(Effect.andThen(Effect.exit(process.wait()), Scope.close(scope, Exit.void)), layer)
    )

/** With something before each command, and after it. The scope is that of the layer. */
export const around = (exec: Service, before: Before): Effect.Effect<Service, never, Scope.Scope> =>
  Effect.map(Effect.scope, (layer) =>
    starting(exec, {
      run: (command, options) =>
        Effect.scoped(Effect.flatMap(before(command), (command) => exec.run(command, options))),
      stream: (command, options) =>
        Stream.unwrap(Effect.map(before(command), (command) => exec.stream(command, options))),
      spawn: (command, options) => attempt(Effect.flatMap(before(command), (command) => exec.spawn(command, options))),
      detach: (command, options) =>
        owned(layer)(Effect.flatMap(before(command), (command) => exec.detach(command, options)))
    })
  )
