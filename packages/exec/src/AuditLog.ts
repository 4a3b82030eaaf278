/**
 * What was run, by which verb, and how it ended: a log that nothing gets past.
 *
 * ```ts
 * import { Effect, Stream } from "effect"
 * import { AuditLog, Command, Exec } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const program = Effect.gen(function* () {
 *   const log = yield* AuditLog.AuditLog
 *   yield* Exec.run(Command.make("sh", ["-c", "exit 3"]))
 *   return yield* log.entries.pipe(
 *     Stream.take(2),
 *     Stream.map((entry) => (entry._tag === "Requested" ? entry.command.argv[0] : entry.end)),
 *     Stream.runCollect
 *   )
 * })
 *
 * const layer = LocalExec.layer.pipe(AuditLog.audit())
 *
 * await Effect.runPromise(Effect.provide(program, layer)) // => ["sh", { _tag: "Exited", code: 3 }]
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Command } from "./Command.ts"
import { Exec } from "./Exec.ts"
import type { ExitStatus } from "./ExitStatus.ts"
import { attempt, owned, starting } from "./internal/around.ts"
import * as deadline from "./internal/deadline.ts"
import * as ProcessId from "./ProcessId.ts"
import { type ProcessInfo, publicCommand } from "./ProcessInfo.ts"

/** The verb that a command was run by. */
export type Verb = "run" | "stream" | "spawn" | "detach"

/** How a command ended: as its process did; with an error, of its start or of what it read; or nobody wanted it any more. */
export type End = ExitStatus | { readonly _tag: "Failed"; readonly error: unknown } | { readonly _tag: "Interrupted" }

/** What is logged: that a command is about to be started, and later that it has ended, both with one id. */
export type Entry =
  | {
      readonly _tag: "Requested"
      readonly id: ProcessId.ProcessId
      readonly at: DateTime.Utc
      readonly verb: Verb
      /** With its arguments, without its environment. */
      readonly command: ProcessInfo["command"]
    }
  | {
      readonly _tag: "Ended"
      readonly id: ProcessId.ProcessId
      readonly at: DateTime.Utc
      readonly duration: Duration.Duration
      readonly end: End
    }

/** The log of the commands of a layer. */
export class AuditLog extends Context.Service<
  AuditLog,
  {
    /**
     * What happens, from the first command on, for one reader; several share the entries between them. It ends with the
     * layer, after the ends of all commands.
     */
    readonly entries: Stream.Stream<Entry>
  }
>()("effect-exec/AuditLog") {}

/** How long a log may be that nobody reads. */
export interface Options {
  /** The commands in it; past that a command waits to be started until somebody reads. 1,000 by default. */
  readonly capacity?: number | undefined
}

/**
 * Logs the commands of an `Exec`. A command is started only when that is in the log, and its end always has room there:
 * a reader that falls behind, or there is none, makes commands wait, and loses nothing.
 */
export const audit =
  (options: Options = {}) =>
  <A, E, R>(self: Layer.Layer<A | Exec, E, R>): Layer.Layer<A | Exec | AuditLog, E, R> =>
    Layer.provideMerge(Layer.effectContext(Effect.flatMap(Exec, (exec) => make(exec, options))), self)

/** A command that is in the log, and whose end is not yet. */
interface Open {
  readonly id: ProcessId.ProcessId
  readonly startedAt: DateTime.Utc
  /** How its process ended, where there was one. */
  status?: Effect.Effect<ExitStatus, unknown>
}

// Longer than it takes to hear of the end of what has ended; what cannot be ended must not hold up a scope.
const lastWords = Duration.millis(200)

const endOf = (exit: Exit.Exit<unknown, unknown>): End =>
  Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)
    ? { _tag: "Interrupted" }
    : { _tag: "Failed", error: Cause.squash(exit.cause) }

/** Gives an `Exec` that logs, and its log. The scope is the layer's. */
export const make = Effect.fnUntraced(function* (
  exec: Exec["Service"],
  { capacity = 1000 }: Options = {}
): Effect.fn.Return<Context.Context<Exec | AuditLog>, never, Scope.Scope> {
  // Bounded all the same: each command takes the room of its two entries before the first.
  const queue = yield* Queue.unbounded<Entry, Cause.Done>()
  const room = Semaphore.makeUnsafe(2 * capacity)
  yield* Effect.addFinalizer(() => Queue.end(queue))
  // In parallel: they may be many, and each waits a moment for what became of its process.
  const detached = yield* Effect.flatMap(Effect.scope, (layer) => Scope.fork(layer, "parallel"))

  const open = (verb: Verb, id: ProcessId.ProcessId, command: Command) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        yield* restore(room.take(2))
        const at = yield* DateTime.now
        yield* Queue.offer(queue, { _tag: "Requested", id, at, verb, command: publicCommand(command) })
        return { id, startedAt: at } as Open
      })
    )

  const close = Effect.fnUntraced(function* ({ id, startedAt, status }: Open, exit: Exit.Exit<unknown, unknown>) {
    const heard = status && Effect.raceFirst(Effect.exit(status), Effect.as(deadline.sleep(lastWords), undefined))
    const known = heard && (yield* heard)
    const end = known === undefined ? endOf(exit) : Exit.isSuccess(known) ? known.value : endOf(known)
    const at = yield* DateTime.now
    yield* Queue.offer(queue, { _tag: "Ended", id, at, duration: DateTime.distance(startedAt, at), end })
  })

  /** Logs the request, and with the scope the end. */
  const logged = (verb: Verb, command: Command, id: ProcessId.ProcessId | undefined) =>
    Effect.flatMap(id === undefined ? ProcessId.random : Effect.succeed(id), (id) =>
      Effect.acquireRelease(open(verb, id, command), close, { interruptible: true })
    )

  const audited = starting(exec, {
    run: Effect.fnUntraced(function* (command, options) {
      const entry = yield* logged("run", command, options?.id)
      const result = yield* exec.run(command, { ...options, id: entry.id })
      entry.status = Effect.succeed(result.status)
      return result
    }, Effect.scoped),
    stream: (command, options) =>
      Stream.unwrap(
        Effect.map(logged("stream", command, options?.id), (entry) =>
          Stream.mapArray(exec.stream(command, { ...options, id: entry.id }), (events) => {
            for (const event of events) if (event._tag === "Exited") entry.status = Effect.succeed(event.status)
            return events
          })
        )
      ),
    spawn: Effect.fnUntraced(function* (command, options) {
      const entry = yield* logged("spawn", command, options?.id)
      const process = yield* exec.spawn(command, { ...options, id: entry.id })
      entry.status = process.wait
      return process
    }, attempt),
    detach: (command, options) =>
      owned(detached)(
        Effect.gen(function* () {
          const entry = yield* logged("detach", command, options?.id)
          const process = yield* exec.detach(command, { ...options, id: entry.id })
          entry.status = Effect.map(process.wait(), ({ status }) => status)
          return process
        })
      )
  })

  // One by one: a reader that stops has taken no more than it has seen.
  const next = Effect.tap(Queue.take(queue), () => room.release(1))
  const entries = Stream.fromPull(Effect.succeed(Effect.map(next, (entry) => [entry] as const)))
  return Context.make(Exec, audited).pipe(Context.add(AuditLog, { entries }))
})
