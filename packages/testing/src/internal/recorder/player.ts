/**
 * A recorded process, played: what came from it comes again, after what had to be done for it.
 */
import type * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import type * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { Output, Running } from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import * as ExitStatus from "effect-exec/ExitStatus"
import type { Signal } from "effect-exec/Signal"
import type { Entry, Recording } from "../../Cassette.ts"
import { clearTimer, setTimer } from "../web.ts"
import type { ProcessClock } from "./clock.ts"
import { outlives } from "./recording.ts"
import { RecordedStdin } from "./stdin.ts"

// What a pipe holds on Linux: a process that is not read waits.
const capacity = 65_536

/** Plays a recording as a process of the scope: at once, or as fast as it was by a clock. */
export const play = Effect.fnUntraced(function* (
  recording: Recording,
  clock: ProcessClock,
  paced: Clock.Clock | undefined
): Effect.fn.Return<Running, never, Scope.Scope> {
  const player = new Player(recording)
  yield* Effect.forkScoped(player.play(clock, paced))
  return player.running
})

// What ends a process that does not trap it.
const ending: ReadonlySet<Signal> = new Set<Signal>(["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGKILL"])

// Time passes when nobody has anything to do: what the program does at once, it did before anything else happened.
const turn: Effect.Effect<void> = Effect.callback((resume) => {
  const timer = setTimer(() => resume(Effect.void))
  return Effect.sync(() => clearTimer(timer))
})

class Player {
  private readonly recording: Recording
  private readonly exited = Deferred.makeUnsafe<ExitStatus.ExitStatus, ExecError.ExecError>()
  private readonly treeEmpty = Deferred.makeUnsafe<void, ExecError.ExecError>()

  private held: Array<Output> = []
  private heldBytes = 0
  private outputEnd: ExecError.ExecError | "end" | undefined

  private readonly stdin: RecordedStdin
  private isStdinEnded = false
  private isStdinClosed = false
  // Signals and sizes that the recording waits for, and those that came.
  private readonly awaited: Array<Entry>
  private readonly done = new Set<Entry>()
  // A signal came that ends it: it does not wait for a reader any more.
  private isDying = false

  // Done at every step of either side, and made anew: whoever waits looks again.
  private moved = Deferred.makeUnsafe<void>()
  // Somebody waits for the end: from then on it is known how long after the start things happen.
  private readonly isWatched = Latch.makeUnsafe(false)

  constructor(recording: Recording) {
    this.recording = recording
    this.stdin = new RecordedStdin(recording)
    this.awaited = recording.entries.filter((entry) => "signal" in entry || "resize" in entry)
  }

  private get hasExited(): boolean {
    return Deferred.isDoneUnsafe(this.exited)
  }

  private change(change: () => unknown): Effect.Effect<void> {
    return Effect.sync(() => {
      change()
      this.move()
    })
  }

  private move(): void {
    const { moved } = this
    this.moved = Deferred.makeUnsafe()
    Deferred.doneUnsafe(moved, Effect.void)
  }

  private until(fact: () => boolean): Effect.Effect<void> {
    return Effect.suspend(() => (fact() ? Effect.void : Effect.andThen(Deferred.await(this.moved), this.until(fact))))
  }

  /** Goes through the recording, and waits wherever the program under test has to act first. */
  play(clock: ProcessClock, paced: Clock.Clock | undefined): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* this.isWatched.await
      let before = 0
      for (const [index, entry] of this.recording.entries.entries()) {
        if (paced !== undefined) yield* paced.sleep(Duration.millis(entry.at - before))
        else if (entry.at - before >= 1) yield* turn
        before = entry.at
        clock.advanceAndWake(entry.at)
        yield* this.step(entry, index)
      }
      // Nothing more is known: where the tree was to end with the process, it has.
      if (this.hasExited && !outlives(this.recording.start)) yield* Deferred.succeed(this.treeEmpty, void 0)
    })
  }

  private step(entry: Entry, index: number): Effect.Effect<unknown> {
    if ("stdout" in entry) return this.emit(1, entry.stdout)
    if ("stderr" in entry) return this.emit(2, entry.stderr)
    if ("end" in entry) return this.endOutput("end")
    if ("exited" in entry) return Deferred.succeed(this.exited, entry.exited)
    if ("treeEmpty" in entry) return Deferred.succeed(this.treeEmpty, void 0)
    if ("lost" in entry) return this.lose(ExecError.make(entry.lost))
    if ("stdinClosed" in entry) return this.change(() => (this.isStdinClosed = true))
    // What is done to a process after its end has no effect on it; only what outlives it may still be waiting.
    if ("stdin" in entry) return this.until(() => this.stdin.hasComeTo(index) || this.isStdinEnded || this.hasExited)
    if ("stdinEnd" in entry) return this.until(() => this.isStdinEnded || this.hasExited)
    return this.until(() => this.done.has(entry) || (this.hasExited && !outlives(this.recording.start)))
  }

  private emit(fd: 1 | 2, bytes: Uint8Array): Effect.Effect<void> {
    return Effect.andThen(
      this.until(() => this.heldBytes < capacity || this.isDying),
      this.change(() => {
        if (this.outputEnd !== undefined) return
        this.held.push({ fd, bytes })
        this.heldBytes += bytes.length
      })
    )
  }

  private endOutput(end: ExecError.ExecError | "end"): Effect.Effect<void> {
    return this.change(() => (this.outputEnd ??= end))
  }

  private lose(error: ExecError.ExecError): Effect.Effect<unknown> {
    return this.endOutput(error).pipe(
      Effect.andThen(Deferred.fail(this.exited, error)),
      Effect.andThen(Deferred.fail(this.treeEmpty, error))
    )
  }

  private readonly pull: Running["pull"] = Effect.suspend(() => {
    if (this.held.length > 0) {
      const taken = this.held as unknown as Arr.NonEmptyReadonlyArray<Output>
      this.held = []
      this.heldBytes = 0
      this.move()
      return Effect.succeed(taken)
    }
    if (this.outputEnd !== undefined) return this.outputEnd === "end" ? Cause.done() : Effect.fail(this.outputEnd)
    return Effect.andThen(Deferred.await(this.moved), this.pull)
  })

  private write(bytes: Uint8Array): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      const gone = Effect.fail(ExecError.make(new ExecError.ProcessExited({ id: this.recording.start.id })))
      if (this.hasExited) return gone
      const taken = this.stdin.write(bytes)
      this.move()
      if (taken === "taken") return Effect.void
      if (taken !== "refused") return Effect.die(taken)
      return Effect.andThen(
        this.until(() => this.isStdinClosed || this.hasExited),
        gone
      )
    })
  }

  private signal(signal: Signal, to: "process" | "tree"): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      const isKnown = this.perform((it) => "signal" in it && it.signal === signal && it.to === to)
      if (ending.has(signal)) {
        this.isDying = true
        if (!isKnown) this.end(signal)
      }
      this.move()
      return signal === "SIGKILL" && to === "tree" ? this.killed : Effect.void
    })
  }

  // By a signal that the recording does not know, as it would end anything.
  private end(signal: Signal): void {
    if (this.hasExited && !outlives(this.recording.start)) return
    Deferred.doneUnsafe(this.exited, Effect.succeed(ExitStatus.signaled(signal)))
    Deferred.doneUnsafe(this.treeEmpty, Effect.void)
    this.outputEnd ??= "end"
  }

  private get killed(): Effect.Effect<void, ExecError.ExecError> {
    const knowsTree = this.recording.entries.some((entry) => "treeEmpty" in entry)
    return knowsTree ? Deferred.await(this.treeEmpty) : Effect.asVoid(Deferred.await(this.exited))
  }

  // What the recording waits for, the first of this kind, is done. Whether there was one.
  private perform(isMeant: (entry: Entry) => boolean): boolean {
    const index = this.awaited.findIndex(isMeant)
    if (index === -1) return false
    this.done.add(this.awaited.splice(index, 1)[0]!)
    return true
  }

  get running(): Running {
    const { pid, tty } = this.recording.start
    const running: Running = {
      pid: pid!,
      pull: this.pull,
      closeOutput: this.endOutput("end"),
      write: (bytes) => this.write(bytes),
      closeStdin: this.change(() => (this.isStdinEnded = true)),
      exited: Effect.andThen(this.isWatched.open, Deferred.await(this.exited)),
      treeEmpty: Deferred.await(this.treeEmpty),
      signal: (signal, to) => this.signal(signal, to)
    }
    return tty === undefined
      ? running
      : { ...running, resize: () => this.change(() => this.perform((it) => "resize" in it)) }
  }
}
