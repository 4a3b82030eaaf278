/**
 * An `Exec` that breaks: it wraps any other one and does on purpose what real ones do now and then. Output comes in
 * other chunks, a start fails, the backend is lost in mid-run, a process hangs or is killed.
 *
 * Everything is drawn from one seed, so that what a test found can be seen again: the errors name it, and where the
 * layer's scope ends with a failure, it is logged.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec, ExecError } from "effect-exec"
 * import { FaultyExec, TestExec } from "@effect-exec/testing"
 *
 * const busy = new ExecError.LimitReached({ limit: "100 processes" })
 *
 * const layer = FaultyExec.layer({
 *   chunks: { split: 3 },
 *   faults: [FaultyExec.failStart(busy, { nth: 1 }), FaultyExec.lose({ command: "cat", after: 4 })]
 * })
 *
 * const program = Effect.gen(function* () {
 *   const exec = yield* Exec.Exec
 *   // The first start fails, in a way that is safe to retry.
 *   const first = yield* Effect.retry(exec.run(Command.make("echo")), { while: (error) => error.isRetryable })
 *   const lost = yield* Effect.flip(exec.run(Command.make("cat"), { stdin: "more than four bytes" }))
 *   return [first.stdout, lost.reason._tag]
 * })
 *
 * const real = TestExec.layer({
 *   programs: {
 *     echo: (io) => io.stdout("hello\n"),
 *     cat: (io) => Effect.flatMap(io.read, (bytes) => io.stdout(bytes ?? ""))
 *   }
 * })
 *
 * await Effect.runPromise(program.pipe(Effect.provide(layer), Effect.provide(real))) // => ["hello\n", "ConnectionLost"]
 * ```
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { Command } from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { Reason } from "effect-exec/ExecError"
import type { ExitStatus } from "effect-exec/ExitStatus"
import { asBackend } from "./internal/asBackend.ts"
import { faulty } from "./internal/faulty/backend.ts"
import type { Matcher } from "./Matcher.ts"

/**
 * Other chunks of the same bytes. Delays are Effect's time: under a `TestClock` the test has to let it pass.
 */
export interface Chunks {
  /** The most bytes of a chunk. Each length is drawn, small ones as often as large ones; 1 gives single bytes. */
  readonly split?: number
  /** How long to wait, at most, for more output to put into one chunk with what is there. */
  readonly merge?: Duration.Input
  /** How much later, at most, a chunk comes. */
  readonly delay?: Duration.Input
}

/** Which starts a fault is for. All that is said has to hold; without anything it is for every one. */
export interface Occasion {
  /** Commands that match. */
  readonly command?: Matcher<unknown>
  /** The nth of these, counted from 1. */
  readonly nth?: number
  /** How probable it is, from 0 to 1. */
  readonly chance?: number
}

/** At which point of its output a process is struck. */
export interface Point {
  /**
   * When it has been read so far, in bytes of both streams together, or drawn from this range. 0, the default, strikes
   * at the start; a process that writes no more than this before it ends is spared.
   */
  readonly after?: number | readonly [min: number, max: number]
}

/** Something that goes wrong with one process. Made by `failStart`, `delayStart`, `lose`, `hang` and `exit`. */
export type Fault = Occasion &
  (
    | { readonly _tag: "FailStart"; readonly reason: Reason }
    | { readonly _tag: "DelayStart"; readonly duration: Duration.Input }
    | ({ readonly _tag: "Lose" } & Point)
    | ({ readonly _tag: "Hang" } & Point)
    | ({ readonly _tag: "Exit"; readonly status: ExitStatus } & Point)
  )

/** What goes wrong. */
export interface Policy {
  /** What everything is drawn from; itself drawn at random by default. */
  readonly seed?: string
  readonly chunks?: Chunks
  /** Every start meets the first of these that is for it, if any. */
  readonly faults?: ReadonlyArray<Fault>
}

/** The start fails with this reason, and nothing is started. */
export const failStart = (reason: Reason, occasion: Occasion = {}): Fault => ({
  _tag: "FailStart",
  reason,
  ...occasion
})

/** The start takes this much longer; `Duration.infinity` for a backend that never answers. */
export const delayStart = (duration: Duration.Input, occasion: Occasion = {}): Fault => ({
  _tag: "DelayStart",
  duration,
  ...occasion
})

/** The backend is lost: whatever one does with the process fails with `ConnectionLost`. The scope still ends it. */
export const lose = (options: Occasion & Point = {}): Fault => ({ _tag: "Lose", ...options })

/** The process does nothing any more, until a signal that ends processes comes: then it has ended by that. */
export const hang = (options: Occasion & Point = {}): Fault => ({ _tag: "Hang", ...options })

/** The process ends like this, for example with `ExitStatus.signaled("SIGKILL")`, and writes nothing more. */
export const exit = (status: ExitStatus, options: Occasion & Point = {}): Fault => ({
  _tag: "Exit",
  status,
  ...options
})

/** A fault that did strike. */
export interface Strike {
  /** Which start it was, counted from 1. */
  readonly start: number
  readonly command: Command
  readonly fault: Fault
}

/** The faults in force, for a test that looks at them or adds to them. */
export class FaultyExec extends Context.Service<
  FaultyExec,
  {
    /** What everything is drawn from. */
    readonly seed: string
    /** What struck so far: where nothing did, a test has tested nothing. */
    readonly struck: Effect.Effect<ReadonlyArray<Strike>>
    /** Loses the backend now and for good: processes as `lose` does, and no new ones start. */
    readonly cut: Effect.Effect<void>
  }
>()("@effect-exec/testing/FaultyExec") {}

/**
 * Breaks an `Exec` that one holds. What the scope closes over is what detached processes of the result live in: they
 * are started as this scope's, whatever the wrapped `Exec` would do with them.
 */
export const make = Effect.fnUntraced(function* (
  exec: Exec.Exec["Service"],
  policy: Policy
): Effect.fn.Return<Context.Context<Exec.Exec | FaultyExec>, never, Scope.Scope> {
  const seed = policy.seed ?? (yield* Random.nextIntBetween(0, 0xffff_ffff)).toString(16)
  const { backend, cut, struck } = yield* faulty(asBackend(exec, "faulty"), policy, seed)
  yield* Scope.addFinalizerExit(yield* Effect.scope, (exit) => (Exit.isSuccess(exit) ? Effect.void : report(seed)))
  return Context.make(Exec.Exec, yield* Exec.make(backend)).pipe(Context.add(FaultyExec, { seed, struck, cut }))
})

/** Breaks the `Exec` of the context. */
export const layer = (policy: Policy): Layer.Layer<Exec.Exec | FaultyExec, never, Exec.Exec> =>
  Layer.effectContext(Effect.flatMap(Exec.Exec, (exec) => make(exec, policy)))

// To the real console: a test has to fail with the seed in sight, whatever became of its own logger.
const report = (seed: string) =>
  Effect.logError(`What failed ran on FaultyExec: { seed: ${JSON.stringify(seed)} } draws the same faults again`).pipe(
    Effect.updateContext((_: Context.Context<never>) => Context.empty())
  )
