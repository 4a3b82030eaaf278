/**
 * A child process of Node as a `Running`.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Backend from "effect-exec/Backend"
import * as ExecError from "effect-exec/ExecError"
import * as ExitStatus from "effect-exec/ExitStatus"
import type * as Signal from "effect-exec/Signal"
import * as Input from "./input.ts"
import { killTree } from "./killTree.ts"
import * as Output from "./output.ts"
import * as Procfs from "./procfs.ts"
import * as Signals from "./signals.ts"
import type { Child } from "./start.ts"
import * as Timers from "./timers.ts"
import * as Tree from "./tree.ts"

/** A `Running` with the tree that its owner has to end. */
export interface Owned {
  readonly running: Backend.Running
  readonly tree: Tree.Tree
}

/** Listens to a child that was started in this very step. */
export const make = ({ id }: Backend.SpawnRequest, child: Child, onExit: (tree: Tree.Tree) => void): Owned => {
  const tree = Tree.make(child.pid)
  const status = Deferred.makeUnsafe<ExitStatus.ExitStatus>()
  const output = Output.make(child.stdout, child.stderr)
  let deadly: Signal.Signal | undefined

  child.once("exit", (code, signal) => {
    tree.leaderExited = true
    // Now, while the number of the group certainly has not been given to others.
    Tree.isGone(tree)
    // Before whoever waits for the exit goes on, which happens within the next line, and closes the scope.
    onExit(tree)
    Deferred.doneUnsafe(status, Effect.succeed(toStatus(code, signal, deadly)))
  })

  const failed = (sent: Signals.Sent, signal: Signal.Signal) =>
    sent === "denied"
      ? Effect.fail(
          ExecError.make(new ExecError.KillFailed({ id, detail: { backend: "local", code: "EPERM", text: signal } }))
        )
      : sent === "unknown"
        ? Effect.fail(ExecError.make(new ExecError.Unsupported({ feature: `the signal ${signal} on this system` })))
        : Effect.void

  const noteDeadly = (signal: Signal.Signal): void => {
    if (!Signals.isReported(signal) && Signals.isDeadlyTo(tree.leader, signal)) deadly = signal
  }

  const toProcess = (signal: Signal.Signal) =>
    Effect.suspend(() => {
      // Until Node has seen the exit the pid is the process's own, because nobody else takes its status.
      if (tree.leaderExited) return Effect.void
      noteDeadly(signal)
      return failed(Signals.send(tree.leader, signal), signal)
    })

  const signalTree = async (signal: Signal.Signal, abort: AbortSignal): Promise<Signals.Sent> => {
    if (signal === "SIGKILL") return (await killTree(tree, abort)) === "denied" ? "denied" : "sent"
    const all = await Procfs.snapshot()
    if (abort.aborted || Tree.isGone(tree)) return "gone"
    if (!tree.leaderExited) noteDeadly(signal)
    return Tree.send(tree, all === undefined ? [] : Tree.members(tree, all), signal)
  }

  const toTree = (signal: Signal.Signal) =>
    Effect.callback<void, ExecError.ExecError>((resume, abort) => {
      if (Tree.isGone(tree)) return resume(Effect.void)
      signalTree(signal, abort).then(
        (sent) => resume(failed(sent, signal)),
        (defect) => resume(Effect.die(defect))
      )
    })

  return {
    tree,
    running: {
      pid: child.pid,
      pull: output.pull,
      closeOutput: Effect.sync(output.close),
      ...Input.make(id, child.stdin),
      exited: Deferred.await(status),
      treeEmpty: Effect.suspend(() =>
        Tree.isGone(tree)
          ? Effect.void
          : // Nothing is polled while the process itself runs: its end is an event.
            Effect.andThen(
              Deferred.await(status),
              Timers.until(() => Tree.isEmpty(tree))
            )
      ),
      signal: (signal, scope) => (scope === "process" ? toProcess(signal) : toTree(signal))
    }
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
