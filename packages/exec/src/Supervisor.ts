/**
 * The process table that gives a backend of one host `detach`, `get`, `list` and the events of all. It owns what it
 * detaches: when its scope closes, every tree gets TERM, grace and KILL, all of them at once.
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Backend } from "./Backend.ts"
import type { Command } from "./Command.ts"
import { Defaults } from "./Defaults.ts"
import * as ExecError from "./ExecError.ts"
import type { ExecEvent } from "./ExecEvent.ts"
import type { DetachOptions } from "./ExecOptions.ts"
import * as check from "./internal/check.ts"
import { Detached, type Scopes } from "./internal/detached.ts"
import { unlimited } from "./internal/policy.ts"
import { prepare, type Prepared } from "./internal/prepare.ts"
import { Subscribers } from "./internal/subscribers.ts"
import { supervise } from "./internal/supervise.ts"
import { Table } from "./internal/table.ts"
import type { DetachedProcess } from "./Process.ts"
import * as ProcessId from "./ProcessId.ts"
import { type ProcessInfo, publicCommand } from "./ProcessInfo.ts"
import * as RingBuffer from "./RingBuffer.ts"

/** The table of detached processes. */
export interface Supervisor {
  readonly detach: <E = never, R = never>(
    command: Command,
    options?: DetachOptions<E, R>
  ) => Effect.Effect<DetachedProcess, ExecError.ExecError, R>
  readonly get: (selector: string | number) => Effect.Effect<DetachedProcess, ExecError.ExecError>
  readonly list: (options?: {
    readonly exited?: boolean | undefined
  }) => Effect.Effect<ReadonlyArray<ProcessInfo>, ExecError.ExecError>
  readonly events: Stream.Stream<readonly [ProcessId.ProcessId, ExecEvent], ExecError.ExecError>
}

const closed = ExecError.make(new ExecError.Closed({ what: "layer that owned these processes" }))

const info = (process: Detached): ProcessInfo => ({
  id: process.id,
  pid: process.pid,
  tag: process.tag,
  command: publicCommand(process.command),
  startedAt: DateTime.makeUnsafe(process.startedAt),
  ...(process.status === undefined ? {} : { status: process.status })
})

/** An empty table, and the scope that ends what comes into it. */
export const make = Effect.fnUntraced(function* (backend: Backend): Effect.fn.Return<Supervisor, never, Scope.Scope> {
  const table = new Table()
  const subscribers = new Subscribers()
  const starting = new Map<ProcessId.ProcessId, Deferred.Deferred<void>>()
  const startingTags = new Set<string>()
  let isClosed = false

  const pumps = yield* Scope.make()
  yield* Effect.addFinalizer(() => {
    isClosed = true
    return Effect.forEach(table.all(), (process) => process.shutdown, { concurrency: "unbounded", discard: true }).pipe(
      Effect.andThen(subscribers.close(closed)),
      Effect.andThen(Scope.close(pumps, Exit.void))
    )
  })

  const forget = (expired: ReadonlyArray<Detached>) =>
    Effect.forEach(expired, (process) => Effect.andThen(subscribers.forgotten(process), process.forget), {
      discard: true
    })

  const prune = Effect.flatMap(Clock.currentTimeMillis, (now) => forget(table.expire(now)))

  const open = Effect.suspend(() => (isClosed ? Effect.fail(closed) : prune))

  const retain = (process: Detached) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.flatMap(table.retain(process, now), forget))

  const start = Effect.fnUntraced(function* <R>(
    { request, policy }: Prepared,
    tag: string,
    options: DetachOptions<ExecError.ExecError, R>,
    capacity: number,
    scopes: Scopes
  ): Effect.fn.Return<Detached, ExecError.ExecError, R> {
    const ring = yield* Scope.provide(RingBuffer.make({ capacity, overflow: options.overflow }), scopes.ring)
    const supervised = yield* Scope.provide(supervise(backend, request, policy, options.stdin), scopes.process)
    return new Detached(request, tag, options.stdin, supervised, ring, yield* Clock.currentTimeMillis, scopes)
  })

  // From here on the process is the table's: whatever becomes of the caller, its output is read and its end is seen.
  const adopt = (process: Detached) =>
    Effect.suspend(() => {
      table.add(process)
      return Effect.andThen(process.pump, retain(process)).pipe(
        Effect.forkIn(pumps),
        Effect.andThen(subscribers.started(process)),
        Effect.as<DetachedProcess>(process)
      )
    })

  const detach = Effect.fnUntraced(function* <E, R>(
    command: Command,
    options: DetachOptions<E, R>
  ): Effect.fn.Return<DetachedProcess, ExecError.ExecError, R> {
    yield* open
    // Whoever asks again for an id that is being started waits; should that start fail, it is its turn to try.
    for (let other = options.id && starting.get(options.id); other; other = options.id && starting.get(options.id)) {
      yield* Deferred.await(other)
    }
    const existing = options.id && table.get(options.id)
    if (existing) return existing

    const defaults = yield* Defaults
    const prepared = yield* prepare(backend, command, options, unlimited(defaults))
    const { id } = prepared.request
    const tag = options.tag ?? (yield* ProcessId.randomTag)
    yield* check.tag(tag)
    if (table.isTagTaken(tag) || startingTags.has(tag)) {
      return yield* ExecError.make(new ExecError.TagInUse({ tag }))
    }

    const done = Deferred.makeUnsafe<void>()
    return yield* Effect.uninterruptibleMask((restore) =>
      Effect.suspend(() => {
        starting.set(id, done)
        startingTags.add(tag)
        const scopes = { process: Scope.makeUnsafe(), ring: Scope.makeUnsafe() }
        const typed = { ...options, stdin: withTypedFailure(id, options.stdin) }
        return restore(start(prepared, tag, typed, options.ring ?? defaults.ring, scopes)).pipe(
          Effect.onError((cause) =>
            Effect.andThen(
              Scope.close(scopes.process, Exit.failCause(cause)),
              Scope.close(scopes.ring, Exit.failCause(cause))
            )
          ),
          Effect.flatMap(adopt),
          Effect.ensuring(
            Effect.suspend(() => {
              starting.delete(id)
              startingTags.delete(tag)
              return Deferred.succeed(done, void 0)
            })
          )
        )
      })
    )
  })

  const get = (selector: string | number) =>
    Effect.andThen(
      open,
      Effect.suspend(() => {
        const process = table.find(selector)
        return process === undefined
          ? Effect.fail(ExecError.make(new ExecError.ProcessNotFound({ selector: String(selector) })))
          : Effect.succeed<DetachedProcess>(process)
      })
    )

  return {
    detach: (command, options = {}) => detach(command, options),
    get,
    list: (options) =>
      Effect.map(open, () => Array.from(options?.exited === true ? table.all() : table.running(), info)),
    events: Stream.unwrap(Effect.map(open, () => subscribers.stream(() => table.running())))
  }
})

// Nobody is there to receive the error of a detached process's stdin: it becomes the way in which that ends.
const withTypedFailure = <E, R>(
  id: ProcessId.ProcessId,
  stdin: DetachOptions<E, R>["stdin"]
): DetachOptions<ExecError.ExecError, R>["stdin"] =>
  Stream.isStream(stdin)
    ? Stream.mapError(stdin, (error) =>
        ExecError.make(
          new ExecError.StdinFailed({
            id,
            detail: { backend: "stdin", text: error instanceof Error ? error.message : String(error) }
          })
        )
      )
    : stdin
