/**
 * The host at the other end of a wire.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Capabilities } from "effect-exec/Capabilities"
import { Defaults } from "effect-exec/Defaults"
import type { ExecError } from "effect-exec/ExecError"
import type { DetachOptions } from "effect-exec/ExecOptions"
import * as Host from "effect-exec/Host"
import type { DetachedProcess } from "effect-exec/Process"
import type { ProcessInfo } from "effect-exec/ProcessInfo"
import * as Restarting from "effect-exec/Restarting"
import type { Connect } from "../Connection.ts"
import * as Frame from "../Frame.ts"
import { again } from "./again.ts"
import { call, unexpected } from "./call.ts"
import { RemoteDetached } from "./detachedProcess.ts"
import * as failure from "./failure.ts"
import { spawn } from "./liveProcess.ts"
import { exited } from "./remoteHandle.ts"
import { Session } from "./session.ts"
import { startFields } from "./startFields.ts"
import { Stdin } from "./stdin.ts"
import * as trace from "./trace.ts"
import { watchAll } from "./watchAll.ts"

/** Connects at the first use, and again when the session was lost. Closing the scope ends the session. */
export const make = Effect.fnUntraced(function* (
  connect: Connect,
  token: Redacted.Redacted<string> | undefined
): Effect.fn.Return<Host.Host, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const begin = Effect.suspend(() => {
    const session = new Session(connect, token)
    return Effect.as(session.start, session)
  })
  const session = yield* Restarting.make(again(begin, failure.isCut))

  const detach = Effect.fnUntraced(function* <E, R>(
    prepared: Host.Prepared,
    options: DetachOptions<E, R>
  ): Effect.fn.Return<DetachedProcess, ExecError, R> {
    const { ring } = yield* Defaults
    const at = yield* session
    const span = yield* trace.current
    const { process, stdin } = startDetached(session, at, prepared, options, options.ring ?? ring, span)
    if (stdin !== undefined && options.stdin !== undefined && options.stdin !== "open") {
      // The caller may go: its stdin is the process's.
      yield* Effect.forkIn(feed(stdin, options.stdin), scope, { startImmediately: true })
    }
    return yield* Deferred.await(process)
  })

  return {
    name: failure.backend,
    capabilities: Effect.flatMap(session, capabilities),
    spawn: (prepared, options) => Effect.flatMap(session, (session) => spawn(session, prepared, options)),
    detach,
    get: (selector) =>
      Effect.flatMap(session, (at) =>
        call(
          at,
          (channel) => ({ _tag: "Get", channel, selector }),
          (message) => (message._tag === "Found" ? new RemoteDetached(session, message.process) : undefined)
        )
      ),
    list: (options) => Effect.flatMap(session, (session) => list(session, options?.exited === true)),
    events: Stream.unwrap(Effect.map(session, watchAll))
  }
})

const capabilities = (session: Session): Effect.Effect<Capabilities, ExecError> =>
  Effect.suspend(() => {
    if (session.capabilities !== undefined) return Effect.succeed(session.capabilities)
    return call(
      session,
      (channel) => ({ _tag: "Describe", channel }),
      (message) => (message._tag === "Described" ? (session.capabilities = message.capabilities) : undefined)
    )
  })

const list = (session: Session, exited: boolean): Effect.Effect<ReadonlyArray<ProcessInfo>, ExecError> =>
  Effect.suspend(() => {
    const all: Array<ProcessInfo> = []
    return call(
      session,
      (channel) => ({ _tag: "List", channel, exited }),
      (message) => {
        if (message._tag === "Listed") all.push(...message.processes)
        return message._tag === "Done" ? all : undefined
      }
    )
  })

const startDetached = <E, R>(
  later: Effect.Effect<Session, ExecError>,
  session: Session,
  prepared: Host.Prepared,
  options: DetachOptions<E, R>,
  ring: number,
  span: string | undefined
) => {
  const { command, id } = prepared.request
  const process = Deferred.makeUnsafe<DetachedProcess, ExecError>()
  const channel: number = session.open({
    frame: ({ kind, offset }) =>
      kind === Frame.kinds.credit && stdin !== undefined ? stdin.give(offset) : "output where there is none",
    message: (message) => {
      switch (message._tag) {
        case "Started": {
          const { id, pid, tag } = message
          const written = options.stdin === "open" ? stdin : undefined
          Deferred.doneUnsafe(process, Effect.succeed(new RemoteDetached(later, { id, pid, tag, command }, written)))
          return stdin === undefined
        }
        case "StdinClosed":
          stdin?.close()
          return true
        case "Failed":
          if (message.error === undefined) return unexpected(message)
          stdin?.close(Effect.fail(message.error))
          Deferred.doneUnsafe(process, Effect.fail(message.error))
          return true
        default:
          return unexpected(message)
      }
    },
    lose: (error) => {
      stdin?.lose(error)
      Deferred.doneUnsafe(process, Effect.fail(error))
    }
  })
  const stdin = options.stdin === undefined ? undefined : new Stdin(session, channel, exited(id))
  session.say({
    _tag: "Detach",
    channel,
    ring,
    overflow: options.overflow ?? "evict",
    ...startFields(prepared, options, span)
  })
  return { process, stdin }
}

const feed = <E, R>(stdin: Stdin, source: Parameters<typeof Host.feed<E, R>>[1]): Effect.Effect<void, never, R> =>
  Effect.catchCause(Host.feed<E, R>({ write: (bytes) => stdin.write(bytes), closeStdin: stdin.end }, source), (cause) =>
    stdin.fail(describe(cause))
  )

// What is told of a failure to others, and kept there: the words of the error, not where it came from.
const describe = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return (error instanceof Error ? error.message : String(error)).slice(0, 1_000)
}
