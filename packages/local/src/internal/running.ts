/**
 * A child process of Node as a `Running`.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Backend from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import * as ExitStatus from "effect-exec/ExitStatus"
import type * as ProcessId from "effect-exec/ProcessId"
import type * as Signal from "effect-exec/Signal"
import * as Input from "./input.ts"
import { killTree } from "./killTree.ts"
import { Output } from "./output.ts"
import * as Procfs from "./procfs.ts"
import * as Signals from "./signals.ts"
import * as Start from "./start.ts"
import * as Timers from "./timers.ts"
import * as Tree from "./tree.ts"

// Methods and not closures, of which a thousand quiet processes would hold a dozen each.
export class Running implements Backend.Running {
  readonly pid: number
  /** What its owner has to end. */
  readonly tree: Tree.Tree
  private readonly id: ProcessId.ProcessId
  private readonly child: Start.Child
  private readonly output: Output
  private readonly status = Deferred.makeUnsafe<ExitStatus.ExitStatus>()
  private exit: Exit.Exit<ExitStatus.ExitStatus> | undefined
  private listener: Backend.Listener | undefined
  private deadly: Signal.Signal | undefined

  /** Listens to a child that was started in this very step. */
  constructor({ id }: Backend.SpawnRequest, child: Start.Child, onExit: (tree: Tree.Tree) => void) {
    this.pid = child.pid
    this.tree = Tree.make(child.pid)
    this.id = id
    this.child = child
    this.output = new Output(child.stdout, child.stderr)
    Input.listen(child.stdin)
    // It comes once.
    child.on("exit", (code, signal) => {
      this.tree.leaderExited = true
      // Now, while the number of the group certainly has not been given to others.
      Tree.isGone(this.tree)
      // Before whoever waits for the exit goes on, which happens within the next lines, and closes the scope.
      onExit(this.tree)
      this.exit = Exit.succeed(toStatus(code, signal, this.deadly))
      this.listener?.exited(this.exit)
      Deferred.doneUnsafe(this.status, this.exit)
    })
  }

  get pull(): Backend.Running["pull"] {
    return this.output.pull
  }

  get closeOutput(): Effect.Effect<void> {
    return Effect.sync(() => this.output.close())
  }

  write(bytes: Uint8Array): Effect.Effect<void, ExecError.ExecError> {
    return Input.write(this.id, this.child.stdin, bytes)
  }

  get closeStdin(): Effect.Effect<void> {
    return Input.close(this.child.stdin)
  }

  get exited(): Effect.Effect<ExitStatus.ExitStatus> {
    return Deferred.await(this.status)
  }

  tell(listener: Backend.Listener): void {
    this.listener = listener
    if (this.exit !== undefined) listener.exited(this.exit)
  }

  whenReadable(): boolean {
    return this.listener !== undefined && this.output.whenReadable(this.listener)
  }

  get treeEmpty(): Effect.Effect<void> {
    return Effect.suspend(() =>
      Tree.isGone(this.tree)
        ? Effect.void
        : // Nothing is polled while the process itself runs: its end is an event.
          Effect.andThen(
            this.exited,
            Timers.until(() => Tree.isEmpty(this.tree))
          )
    )
  }

  signal(signal: Signal.Signal, scope: Backend.SignalScope): Effect.Effect<void, ExecError.ExecError> {
    return scope === "process" ? this.toProcess(signal) : this.toTree(signal)
  }

  /** Gives back what is left of it here. */
  release(): void {
    Start.release(this.child)
  }

  private toProcess(signal: Signal.Signal): Effect.Effect<void, ExecError.ExecError> {
    return Effect.suspend(() => {
      // Until Node has seen the exit the pid is the process's own, because nobody else takes its status.
      if (this.tree.leaderExited) return Effect.void
      this.noteDeadly(signal)
      return this.failed(Signals.send(this.pid, signal), signal)
    })
  }

  private toTree(signal: Signal.Signal): Effect.Effect<void, ExecError.ExecError> {
    return Effect.callback((resume, abort) => {
      if (Tree.isGone(this.tree)) return resume(Effect.void)
      this.signalTree(signal, abort).then(
        (sent) => resume(this.failed(sent, signal)),
        (defect) => resume(Effect.die(defect))
      )
    })
  }

  private async signalTree(signal: Signal.Signal, abort: AbortSignal): Promise<Signals.Sent> {
    const { tree } = this
    if (signal === "SIGKILL") return (await killTree(tree, abort)) === "denied" ? "denied" : "sent"
    const all = await Procfs.snapshot()
    if (abort.aborted || Tree.isGone(tree)) return "gone"
    if (!tree.leaderExited) this.noteDeadly(signal)
    return Tree.send(tree, all === undefined ? [] : Tree.members(tree, all), signal)
  }

  private noteDeadly(signal: Signal.Signal): void {
    if (!Signals.isReported(signal) && Signals.isDeadlyTo(this.pid, signal)) this.deadly = signal
  }

  private failed(sent: Signals.Sent, signal: Signal.Signal): Effect.Effect<void, ExecError.ExecError> {
    const { id } = this
    return sent === "denied"
      ? Effect.fail(
          ExecError.make(new ExecError.KillFailed({ id, detail: { backend: "local", code: "EPERM", text: signal } }))
        )
      : sent === "unknown"
        ? Effect.fail(ExecError.make(new ExecError.Unsupported({ feature: `the signal ${signal} on this system` })))
        : Effect.void
  }
}

/**
 * Node has no name for signals above 31, and reports a death by one of them exactly like `exit 0`. When we sent one that
 * the process had to die of, that is what it died of; when it was sent by somebody else, there is no way to know.
 */
const toStatus = (
  code: number | null,
  signal: NodeJS.Signals | null,
  deadly: Signal.Signal | undefined
): ExitStatus.ExitStatus =>
  signal !== null
    ? ExitStatus.signaled(signal as Signal.Signal)
    : code === 0 && deadly !== undefined
      ? ExitStatus.signaled(deadly)
      : ExitStatus.exited(code!)
