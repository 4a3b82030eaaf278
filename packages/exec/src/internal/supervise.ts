/**
 * One process under its policy: everything between a backend's `Running` and the events that a caller sees.
 *
 * Beside a running process stands one fiber for its timeout if it has any, and one that feeds its stdin if that was given; where
 * the backend cannot tell of the exit, one waits for that. The scope it was spawned in owns them. Output is moved by whoever
 * pulls.
 */
import * as Clock from "effect/Clock"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import type { Backend, Listener, SpawnRequest } from "../Backend.ts"
import * as ExecError from "../ExecError.ts"
import type { SpawnOptions } from "../ExecOptions.ts"
import type { ExitStatus } from "../ExitStatus.ts"
import type { Policy } from "../Policy.ts"
import { Ending } from "./ending.ts"
import { Reading } from "./reading.ts"
import { feed } from "./stdin.ts"
import * as telemetry from "./telemetry.ts"

/** A process under its policy. An object with methods: ten thousand idle ones would each hold a closure for each of these. */
export class Supervised<E> implements Listener {
  readonly ending: Ending<E>
  readonly reading: Reading<E>
  private readonly context: Context.Context<never>
  private fibers: Set<Fiber.Fiber<void>> | undefined
  private isReleased = false

  constructor(ending: Ending<E>, context: Context.Context<never>) {
    this.ending = ending
    this.reading = new Reading(ending, this)
    this.context = context
  }

  /** Runs this until the end of the scope. */
  fork(effect: Effect.Effect<void>): void {
    if (this.isReleased) return
    const fiber = Effect.runForkWith(this.context)(effect)
    if (fiber.pollUnsafe() !== undefined) return
    const fibers = (this.fibers ??= new Set())
    fibers.add(fiber)
    fiber.addObserver(() => fibers.delete(fiber))
  }

  /** From now on sees the end of the process. */
  watch(): void {
    const { running } = this.ending
    if (running.tell !== undefined) running.tell(this)
    else this.fork(Effect.flatMap(Effect.exit(running.exited), (exit) => this.afterExit(exit)))
  }

  exited(exit: Exit.Exit<ExitStatus, ExecError.ExecError>): void {
    this.fork(this.afterExit(exit))
    this.reading.wake()
  }

  readable(): void {
    this.reading.wake()
  }

  private afterExit(exit: Exit.Exit<ExitStatus, ExecError.ExecError>): Effect.Effect<void> {
    return Effect.andThen(this.ending.ended(exit), this.reading.closeWhenQuiet)
  }

  /**
   * Ends the tree, and gives up what is here of it. The consumer is gone by now, and what nobody reads would keep a process from
   * ending by itself.
   */
  get release(): Effect.Effect<void> {
    const { ending, reading } = this
    return Effect.raceFirst(ending.endBecauseUnwanted, Effect.andThen(reading.discard, Effect.never)).pipe(
      Effect.andThen(reading.release),
      Effect.andThen(
        Effect.suspend(() => {
          this.isReleased = true
          return Fiber.interruptAll(this.fibers ?? [])
        })
      )
    )
  }
}

/**
 * Spawns a command and puts it under its policy. Closing the scope ends the tree: TERM, grace, KILL; it returns when
 * the tree was seen empty, at the latest after grace and kill deadline.
 *
 * What watches the process runs in `context`: in the caller's own it would keep his spans as long as the process lives.
 */
export const supervise = Effect.fnUntraced(function* <E, R>(
  backend: Backend,
  request: SpawnRequest,
  policy: Policy,
  stdin: SpawnOptions<E, R>["stdin"],
  context: Context.Context<never>
): Effect.fn.Return<Supervised<E>, ExecError.ExecError, R | Scope.Scope> {
  const scope = yield* Scope.Scope
  // Fibers forked into a closed scope never run: nobody would see the end of such a process.
  if (scope.state._tag === "Closed") {
    return yield* ExecError.make(new ExecError.Closed({ what: "scope in which to start the process" }))
  }
  const clock = yield* Clock.Clock
  const running = yield* backend.spawn(request)
  const supervised = new Supervised(new Ending<E>(backend, request.id, policy, running, clock), context)
  yield* Metric.update(telemetry.processes, 1)
  yield* Effect.uninterruptible(begin(supervised, scope, stdin))
  return supervised
})

const begin = Effect.fnUntraced(function* <E, R>(
  supervised: Supervised<E>,
  scope: Scope.Scope,
  stdin: SpawnOptions<E, R>["stdin"]
): Effect.fn.Return<void, never, R> {
  const { ending, reading } = supervised
  supervised.watch()
  if (Duration.isFinite(ending.policy.timeout)) {
    supervised.fork(Effect.andThen(Effect.sleep(ending.policy.timeout), reading.timeOut))
  }
  if (stdin !== undefined && stdin !== "open") {
    const fed = Effect.catchCause(feed(ending.running, stdin), (cause) => ending.endWith(cause))
    yield* Effect.forkIn(fed, scope, { startImmediately: true })
  }
  // Added last, so that it runs first, while the fibers above still see what happens.
  yield* Scope.addFinalizerExit(scope, () => supervised.release)
})
