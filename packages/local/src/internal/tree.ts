/**
 * The processes of one command, as far as they can be seen from beside it: those of its process group and session, and
 * every descendant whose chain of parents is unbroken when it is looked at.
 */
import type * as Signal from "effect-exec/Signal"
import * as Signals from "./signals.ts"
import { isAlive, type ProcStat } from "./procStat.ts"
import * as Procfs from "./procfs.ts"

/** What is known about a tree. Changes as it is looked at. */
export interface Tree {
  /** The pid of the process itself, and so the number of its process group and session. */
  readonly leader: number
  /** Node has seen it exit and has given its pid back to the kernel; only until then is the pid certainly its own. */
  leaderExited: boolean
  /** Nobody is left in the group. Its number may be given to others, so that it is never used again. */
  groupGone: boolean
  /**
   * Members that were seen outside of the group, with their start times. A `setsid` child is found by its parent;
   * remembered here, it is still found when the parent is gone.
   */
  readonly outside: Map<number, number>
}

export const make = (leader: number): Tree => ({
  leader,
  leaderExited: false,
  groupGone: false,
  outside: new Map()
})

/** Whether nothing is left, as far as can be said without a look at all processes. */
export const isGone = (tree: Tree): boolean => {
  if (!tree.leaderExited) return false
  // The no-op command ends here: no group and no remembered members, so `/proc` need not be read.
  if (!tree.groupGone && Signals.send(-tree.leader, 0) === "gone") tree.groupGone = true
  return tree.groupGone && tree.outside.size === 0
}

/** The members that are alive, found in a look at all processes. */
export const members = (tree: Tree, all: Procfs.Snapshot): ReadonlyArray<ProcStat> => {
  // The kernel does not give the number of a group to a new process while the group has members. So whoever has it
  // after the leader's end is a stranger, and the group was gone before.
  if (tree.leaderExited && !tree.groupGone && Procfs.read(tree.leader) !== undefined) tree.groupGone = true
  const found = new Set<ProcStat>()
  for (const stat of all.processes.values()) if (isAlive(stat) && isOurs(tree, stat)) found.add(stat)
  if (found.size > 0) {
    const children = Map.groupBy(all.processes.values(), (stat) => stat.ppid)
    // A set that grows while one walks through it: the children's children come in their turn.
    for (const stat of found) {
      for (const child of children.get(stat.pid) ?? []) if (isAlive(child)) found.add(child)
    }
  }
  tree.outside.clear()
  for (const stat of found) if (stat.pgrp !== tree.leader) tree.outside.set(stat.pid, stat.start)
  return Array.from(found)
}

const isOurs = (tree: Tree, stat: ProcStat): boolean =>
  (!tree.groupGone && (stat.pgrp === tree.leader || stat.session === tree.leader)) ||
  tree.outside.get(stat.pid) === stat.start

/** Whether nothing is left, after a look at all processes where that is needed. */
export const isEmpty = async (tree: Tree): Promise<boolean> => {
  if (!tree.leaderExited) return false
  if (isGone(tree)) return true
  const all = await Procfs.snapshot()
  if (all === undefined) return false
  return noneLeft(tree, members(tree, all), all)
}

/** Whether a look that found these members shows the tree to be empty; remembers it. */
export const noneLeft = (tree: Tree, alive: ReadonlyArray<ProcStat>, all: Procfs.Snapshot): boolean => {
  if (alive.length > 0 || !tree.leaderExited) return false
  if (tree.groupGone || isGone(tree)) return true
  // What keeps the group's number is zombies, which are as good as gone, if it is sure that nobody was missed. Where not
  // even those can be seen (a `/proc` that hides the processes of other users), somebody lives who cannot be looked at.
  tree.groupGone = all.settled && Array.from(all.processes.values()).some((stat) => stat.pgrp === tree.leader)
  return tree.groupGone
}

/** Sends a signal to one member, unless its pid was given to another process since it was seen. */
const sendTo = (stat: ProcStat, signal: Signal.Signal | 0): Signals.Sent =>
  Procfs.read(stat.pid)?.start === stat.start ? Signals.send(stat.pid, signal) : "gone"

/** Sends a signal to every member. Call it right after `members`, which notices when the group is somebody else's. */
export const send = (tree: Tree, alive: ReadonlyArray<ProcStat>, signal: Signal.Signal): Signals.Sent => {
  // First the group as a whole: it reaches also what was forked since the look, in one step that no fork can evade.
  const group = tree.groupGone ? "gone" : Signals.send(-tree.leader, signal)
  const others = alive.filter((stat) => tree.groupGone || stat.pgrp !== tree.leader)
  const sent = [group, ...others.map((stat) => sendTo(stat, signal))]
  return sent.find((one) => one === "unknown" || one === "denied") ?? "sent"
}

/**
 * Stops the members, and at once whomever they started since they were looked at, and so on: a look at all processes takes
 * longer than a fork, so that a chain of them would always be one ahead. Gives whom it told to stop.
 */
export const stop = (tree: Tree, alive: ReadonlyArray<ProcStat>): ReadonlyMap<number, number> => {
  send(tree, alive, "SIGSTOP")
  const told = new Map(alive.map((stat) => [stat.pid, stat.start]))
  // A map that grows while one walks through it.
  for (const parent of told.keys()) {
    for (const child of Procfs.children(parent)) {
      if (told.has(child.pid)) continue
      Signals.send(child.pid, "SIGSTOP")
      told.set(child.pid, child.start)
      if (child.pgrp !== tree.leader) tree.outside.set(child.pid, child.start)
    }
  }
  return told
}

/**
 * Whether there are members, and none of them may be signalled. Each is asked by itself: a group says "denied" only
 * when that is true of all in it, zombies included.
 */
export const isDenied = (alive: ReadonlyArray<ProcStat>): boolean =>
  alive.length > 0 && alive.every((stat) => sendTo(stat, 0) === "denied")
