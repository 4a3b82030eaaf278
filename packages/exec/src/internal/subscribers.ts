/**
 * Those who follow the events of all detached processes. Each follows every process through its ring, so that a slow
 * one holds nobody up, and what it misses is a `Gap`.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ExecError from "../ExecError.ts"
import type { ExecEvent } from "../ExecEvent.ts"
import type { ProcessId } from "../ProcessId.ts"
import type { Detached } from "./detached.ts"

type Entry = readonly [ProcessId, ExecEvent]

// A reader of one process waits until its event is taken, so more would only make events older.
const queueCapacity = 16

class Subscriber {
  readonly queue: Queue.Queue<Entry, ExecError.ExecError>
  private readonly scope: Scope.Closeable
  private readonly following = new Set<Detached>()
  private hasLagged = false

  constructor(queue: Queue.Queue<Entry, ExecError.ExecError>, scope: Scope.Closeable) {
    this.queue = queue
    this.scope = scope
  }

  follow(process: Detached): Effect.Effect<unknown> {
    if (this.hasLagged || this.following.has(process)) return Effect.void
    this.following.add(process)
    return Stream.runForEach(process.events(), (event) => Queue.offer(this.queue, [process.id, event])).pipe(
      // One that is lost, or whose stdin failed, ends without an event; the others go on.
      Effect.catch((error) => Effect.logWarning(`The process ${process.tag} ended without its last event`, error)),
      Effect.ensuring(Effect.sync(() => this.following.delete(process))),
      Effect.forkIn(this.scope)
    )
  }

  // What it has not read yet of a process that is forgotten, its end above all, would be missing in silence.
  forget(process: Detached): Effect.Effect<unknown> {
    if (this.hasLagged || !this.following.has(process)) return Effect.void
    this.hasLagged = true
    const unread = Array.from(this.following).filter(({ status }) => status !== undefined)
    const lagged = ExecError.make(new ExecError.SubscriberLagged({ processes: unread.length }))
    return Effect.andThen(Queue.fail(this.queue, lagged), Scope.close(this.scope, Exit.void))
  }
}

export class Subscribers {
  private readonly subscribers = new Set<Subscriber>()

  /** Everything of these processes, as far as their rings hold it, and of all that start from now on. */
  stream(running: () => Iterable<Detached>): Stream.Stream<Entry, ExecError.ExecError> {
    const subscribe = Effect.gen({ self: this }, function* () {
      const queue = yield* Queue.bounded<Entry, ExecError.ExecError>(queueCapacity)
      const scope = yield* Effect.acquireRelease(Scope.make(), (it) => Scope.close(it, Exit.void))
      const subscriber = new Subscriber(queue, scope)
      yield* Effect.acquireRelease(
        Effect.sync(() => this.subscribers.add(subscriber)),
        () => Effect.sync(() => this.subscribers.delete(subscriber))
      )
      for (const process of Array.from(running())) yield* subscriber.follow(process)
      return Stream.fromQueue(queue)
    })
    return Stream.unwrap(subscribe)
  }

  started(process: Detached): Effect.Effect<void> {
    return Effect.forEach(this.subscribers, (subscriber) => subscriber.follow(process), { discard: true })
  }

  forgotten(process: Detached): Effect.Effect<void> {
    return Effect.forEach(this.subscribers, (subscriber) => subscriber.forget(process), { discard: true })
  }

  close(reason: ExecError.ExecError): Effect.Effect<void> {
    return Effect.forEach(this.subscribers, ({ queue }) => Queue.fail(queue, reason), { discard: true })
  }
}
