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
import { concat } from "../bytes.ts"
import { show } from "../matching.ts"
import { clearTimer, decode, setTimer } from "../web.ts"
import type { ProcessClock } from "./clock.ts"
import { isSameByte } from "./secrets.ts"

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
  private readonly gone: ExecError.ExecError
  private readonly exited = Deferred.makeUnsafe<ExitStatus.ExitStatus, ExecError.ExecError>()
  private readonly treeEmpty = Deferred.makeUnsafe<void, ExecError.ExecError>()

  private held: Array<Output> = []
  private heldBytes = 0
  private outputEnd: ExecError.ExecError | "end" | undefined
  // What was recorded of stdin, and how far the program under test has come.
  private readonly stdin: Uint8Array
  private written = 0
  private isStdinEnded = false
  private isStdinClosed = false
  private neededStdin = 0
  // How much of it was taken, where the process stopped reading: the write that was told so is not.
  private readonly takenStdin: number
  // A signal came that ends it: it does not wait for a reader any more.
  private isDying = false
  // Signals and sizes that the recording still waits for.
  private readonly awaited: Array<Entry>
  private readonly done = new Set<Entry>()
  // Done at every step of either side, and made anew: whoever waits looks again.
  private moved = Deferred.makeUnsafe<void>()
  // Somebody waits for the end: from then on it is known how long after the start things happen.
  private readonly isWatched = Latch.makeUnsafe(false)

  constructor(recording: Recording) {
    this.recording = recording
    this.gone = ExecError.make(new ExecError.ProcessExited({ id: recording.start.id }))
    const { entries } = recording
    this.stdin = concat(entries.flatMap((entry) => ("stdin" in entry ? [entry.stdin] : [])))
    const writes = entries
      .slice(0, entries.findIndex((entry) => "stdinClosed" in entry) + 1)
      .flatMap((entry) => ("stdin" in entry ? [entry.stdin.length] : []))
    this.takenStdin = writes.length === 0 ? Infinity : writes.slice(0, -1).reduce((sum, length) => sum + length, 0)
    this.awaited = entries.filter((entry) => "signal" in entry || "resize" in entry)
  }

  private move(): void {
    const { moved } = this
    this.moved = Deferred.makeUnsafe()
    Deferred.doneUnsafe(moved, Effect.void)
  }

  private change(change: () => unknown): Effect.Effect<void> {
    return Effect.sync(() => {
      change()
      this.move()
    })
  }

  private until(fact: () => boolean): Effect.Effect<void> {
    return Effect.suspend(() => (fact() ? Effect.void : Effect.andThen(Deferred.await(this.moved), this.until(fact))))
  }

  /** Goes through the recording, and waits wherever the program under test has to act first. */
  play(clock: ProcessClock, paced: Clock.Clock | undefined): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      yield* this.isWatched.await
      let before = 0
      for (const entry of this.recording.entries) {
        if (paced !== undefined) yield* paced.sleep(Duration.millis(entry.at - before))
        else if (entry.at - before >= 1) yield* turn
        before = entry.at
        clock.advanceAndWake(entry.at)
        yield* this.step(entry)
      }
      // Nothing more is known. Where the process has ended, so has its tree.
      if (Deferred.isDoneUnsafe(this.exited)) yield* Deferred.succeed(this.treeEmpty, void 0)
    })
  }

  private step(entry: Entry): Effect.Effect<unknown> {
    if ("stdout" in entry) return this.emit(1, entry.stdout)
    if ("stderr" in entry) return this.emit(2, entry.stderr)
    if ("end" in entry) return this.endOutput("end")
    if ("exited" in entry) return Deferred.succeed(this.exited, entry.exited)
    if ("treeEmpty" in entry) return Deferred.succeed(this.treeEmpty, void 0)
    if ("lost" in entry) return this.lose(ExecError.make(entry.lost))
    if ("stdinClosed" in entry) return this.change(() => (this.isStdinClosed = true))
    if ("stdinEnd" in entry) return this.untilDone(() => this.isStdinEnded)
    if ("stdin" in entry) {
      const needed = (this.neededStdin += entry.stdin.length)
      return this.untilDone(() => this.written >= needed || this.isStdinEnded)
    }
    return this.untilDone(() => this.done.has(entry))
  }

  // What the program under test did to a process after its end had no effect; nothing waits for it.
  private untilDone(fact: () => boolean): Effect.Effect<void> {
    return this.until(() => fact() || Deferred.isDoneUnsafe(this.exited))
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
      const from = this.written
      const differs = bytes.findIndex((byte, index) => {
        const recorded = this.stdin[from + index]
        return recorded === undefined || !isSameByte(recorded, byte)
      })
      this.written += bytes.length
      this.move()
      if (Deferred.isDoneUnsafe(this.exited)) return Effect.fail(this.gone)
      // Of what nobody read, it does not matter how much more there would have been.
      const isUnread = this.takenStdin < Infinity && from + differs >= this.stdin.length
      if (differs !== -1 && !isUnread) return Effect.die(new Error(this.stdinChanged(bytes, from, differs)))
      if (this.written <= this.takenStdin) return Effect.void
      return Effect.andThen(
        this.untilDone(() => this.isStdinClosed),
        Effect.fail(this.gone)
      )
    })
  }

  private stdinChanged(bytes: Uint8Array, from: number, differs: number): string {
    const excerpt = (bytes: Uint8Array) => JSON.stringify(decode(bytes.subarray(0, 80)))
    const at = from + differs
    const recorded = at < this.stdin.length ? excerpt(this.stdin.subarray(at)) : "nothing more"
    const name = show(this.recording.start.run)
    return `${name} is given another stdin than was recorded: from byte ${at} on ${excerpt(bytes.subarray(differs))} instead of ${recorded}`
  }

  // The first one that the recording waits for; what it does not know ends the process, if it is of that kind.
  private signal(signal: Signal, to: "process" | "tree"): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      const isKnown = this.perform((it) => "signal" in it && it.signal === signal && it.to === to)
      this.isDying ||= ending.has(signal)
      if (!isKnown && ending.has(signal) && !Deferred.isDoneUnsafe(this.exited)) {
        Deferred.doneUnsafe(this.exited, Effect.succeed(ExitStatus.signaled(signal)))
        Deferred.doneUnsafe(this.treeEmpty, Effect.void)
        this.outputEnd ??= "end"
      }
      this.move()
      return signal === "SIGKILL" && to === "tree" ? this.killed : Effect.void
    })
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
