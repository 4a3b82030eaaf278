/**
 * Ends a tree for certain: SIGKILL again and again, until a look at the processes shows that nobody is left.
 */
import { sleep } from "./timers.ts"
import { isStopped } from "./procStat.ts"
import * as Procfs from "./procfs.ts"
import * as Tree from "./tree.ts"

/** `denied`: what is left may not be signalled by us; `late`: the deadline passed first, or the caller left. */
export type Ending = "empty" | "denied" | "late"

// A tree that makes new members faster than they are stopped, or has one that does not stop because it hangs in the
// kernel, is killed as it is, and looked at again: with the pauses below, after a quarter of a second.
const maxStops = 16

/**
 * Never rejects. When `signal` aborts, what was found so far has been sent SIGKILL, and nothing more is done.
 *
 * All members are seen to be stopped before the first is killed. Killed at once, a parent that has just forked, or is about
 * to, would leave a child that nobody has seen, whose parent is gone, and that so cannot be found any more.
 */
export const killTree = async (tree: Tree.Tree, signal: AbortSignal): Promise<Ending> => {
  let told: ReadonlyMap<number, number> = new Map()
  let stops = 0
  let killed = false
  for (let pause = 1; ; pause = Math.min(pause * 2, 20)) {
    if (Tree.isGone(tree)) return "empty"
    const all = await Procfs.snapshot()
    const alive = all === undefined ? [] : Tree.members(tree, all)
    if (all !== undefined && Tree.noneLeft(tree, alive, all)) return "empty"
    if (killed && Tree.isDenied(alive)) return "denied"
    if (stops < maxStops && !signal.aborted) {
      const isNew = alive.some((stat) => told.get(stat.pid) !== stat.start)
      // The signal is only noted by `kill`; a process that waits for a processor acts on it when it gets one.
      if (isNew || !alive.every(isStopped)) {
        told = Tree.stop(tree, alive)
        stops++
        if (!isNew) await sleep(pause, signal)
        continue
      }
    }
    Tree.send(tree, alive, "SIGKILL")
    if (signal.aborted) return "late"
    killed = true
    // Who is new after this kill was forked since the last stop, and is stopped first again.
    stops = 0
    await sleep(pause, signal)
  }
}
