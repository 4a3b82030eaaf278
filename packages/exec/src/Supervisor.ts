/**
 * The host that a backend gets on this side: it enforces the policy of every process, and keeps a table of the detached
 * ones. It owns those: when its scope closes, every tree gets TERM, grace and KILL, all of them at once.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Backend } from "./Backend.ts"
import { Defaults } from "./Defaults.ts"
import * as ExecError from "./ExecError.ts"
import type { DetachOptions, SpawnOptions } from "./ExecOptions.ts"
import type { Host, Prepared } from "./Host.ts"
import { Detached } from "./internal/detached.ts"
import * as Ring from "./internal/ringEffects.ts"
import { Spawned } from "./internal/spawned.ts"
import { Subscribers } from "./internal/subscribers.ts"
import { supervise } from "./internal/supervise.ts"
import { Table } from "./internal/table.ts"
import type { DetachedProcess } from "./Process.ts"
import * as ProcessId from "./ProcessId.ts"
import { type ProcessInfo, publicCommand } from "./ProcessInfo.ts"

const closed = ExecError.make(new ExecError.Closed({ what: "layer that owned these processes" }))

const info = (process: Detached): ProcessInfo => ({
  id: process.id,
  pid: process.pid,
  tag: process.tag,
  command: publicCommand(process.command),
  startedAt: DateTime.makeUnsafe(process.startedAt),
  ...(process.status === undefined ? {} : { status: process.status })
})

/** A host with an empty table; closing the scope ends what comes into it. */
export const make = Effect.fnUntraced(function* (backend: Backend): Effect.fn.Return<Host, never, Scope.Scope> {
  const table = new Table()
  const subscribers = new Subscribers()
  const starting = new Map<ProcessId.ProcessId, Deferred.Deferred<void>>()
  const startingTags = new Set<string>()
  let isClosed = false

  const context = yield* Effect.context<never>()
  const pumps = yield* Scope.make()
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isClosed = true
      return Effect.forEach(table.all(), (process) => process.shutdown, { concurrency: "unbounded", discard: true })
    }).pipe(Effect.andThen(subscribers.close(closed)), Effect.andThen(Scope.close(pumps, Exit.void)))
  )

  const forget = (expired: ReadonlyArray<Detached>) =>
    Effect.forEach(expired, (process) => Effect.andThen(subscribers.forgotten(process), process.forget), {
      discard: true
    })

  const prune = Effect.flatMap(Clock.currentTimeMillis, (now) => forget(table.expire(now)))

  const open = Effect.suspend(() => (isClosed ? Effect.fail(closed) : prune))

  const retain = (process: Detached) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => Effect.flatMap(table.retain(process, now), forget))

  // A fiber for as long as there is something to move: one that waits would cost more than a process that is quiet.
  const pump = (process: Detached): void => {
    const moved = Effect.flatMap(process.pump, (isOver) => (isOver ? retain(process) : Effect.void))
    Fiber.runIn(Effect.runForkWith(context)(moved), pumps)
  }

  const start = Effect.fnUntraced(function* <R>(
    { request, policy }: Prepared,
    tag: string,
    options: DetachOptions<ExecError.ExecError, R>,
    capacity: number,
    scope: Scope.Closeable
  ): Effect.fn.Return<Detached, ExecError.ExecError, R> {
    const ring = yield* Ring.make(capacity, options.overflow)
    const clock = yield* Clock.Clock
    const own = clock === Context.get(context, Clock.Clock) ? context : Context.add(context, Clock.Clock, clock)
    const spawned = supervise(backend, request, policy, options.stdin, own)
    const supervised = yield* Scope.provide(spawned, scope)
    return new Detached(request, tag, options.stdin, supervised, ring, clock.currentTimeMillisUnsafe(), scope, pump)
  })

  // From here on the process is the table's: whatever becomes of the caller, its output is read and its end is seen.
  const adopt = (process: Detached): Effect.Effect<DetachedProcess, ExecError.ExecError> =>
    Effect.suspend(() => {
      // The layer closed while this one was starting.
      if (isClosed) return Effect.fail(closed)
      table.add(process)
      pump(process)
      return Effect.as(subscribers.started(process), process)
    })

  // Looking and claiming are one step, so that nobody comes between: an id starts once, a tag belongs to one.
  const claim = <E, R>(
    prepared: Prepared,
    tag: string,
    options: DetachOptions<E, R>,
    capacity: number
  ): Effect.Effect<DetachedProcess, ExecError.ExecError, R> =>
    Effect.uninterruptibleMask((restore) => {
      const again = (prepared: Prepared, tag: string) => restore(claim(prepared, tag, options, capacity))
      const { id } = prepared.request
      if (isClosed) return Effect.fail(closed)
      const other = starting.get(id)
      const existing = table.get(id)
      if (options.id !== undefined) {
        if (existing !== undefined) return Effect.succeed<DetachedProcess>(existing)
        // Should that other start fail, it is this one's turn to try.
        if (other !== undefined) return Effect.andThen(restore(Deferred.await(other)), again(prepared, tag))
      } else if (existing !== undefined || other !== undefined) {
        // Chance, or a seed, repeated itself.
        return Effect.flatMap(ProcessId.random, (id) =>
          again({ ...prepared, request: { ...prepared.request, id } }, tag)
        )
      }
      if (table.isTagTaken(tag) || startingTags.has(tag)) {
        return options.tag === undefined
          ? Effect.flatMap(ProcessId.randomTag, (tag) => again(prepared, tag))
          : Effect.fail(ExecError.make(new ExecError.TagInUse({ tag })))
      }

      const done = Deferred.makeUnsafe<void>()
      starting.set(id, done)
      startingTags.add(tag)
      const scope = Scope.makeUnsafe()
      const typed = { ...options, stdin: withTypedFailure(id, options.stdin) }
      return restore(start(prepared, tag, typed, capacity, scope)).pipe(
        Effect.flatMap(adopt),
        Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause))),
        Effect.ensuring(
          Effect.suspend(() => {
            starting.delete(id)
            startingTags.delete(tag)
            return Deferred.succeed(done, void 0)
          })
        )
      )
    })

  const spawn = Effect.fnUntraced(function* <E, R>({ request, policy }: Prepared, options: SpawnOptions<E, R>) {
    // The backend is closed too: what it starts now, nobody would end.
    if (isClosed) return yield* ExecError.make(new ExecError.Closed({ what: "layer that was to start this process" }))
    const tag = options.tag ?? (yield* ProcessId.randomTag)
    const supervised = yield* supervise(backend, request, policy, options.stdin, yield* Effect.context<never>())
    return new Spawned(request, tag, options.stdin, supervised)
  })

  const detach = Effect.fnUntraced(function* <E, R>(
    prepared: Prepared,
    options: DetachOptions<E, R>
  ): Effect.fn.Return<DetachedProcess, ExecError.ExecError, R> {
    yield* open
    const tag = options.tag ?? (yield* ProcessId.randomTag)
    return yield* claim(prepared, tag, options, options.ring ?? (yield* Defaults).ring)
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
    name: backend.name,
    capabilities: backend.capabilities,
    spawn,
    detach,
    get,
    list: (options) =>
      Effect.map(open, () => Array.from(options?.exited === true ? table.all() : table.running(), info)),
    events: Stream.unwrap(Effect.map(open, () => subscribers.stream(() => table.running()))),
    ...(backend.files === undefined ? {} : { files: backend.files })
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
