/**
 * Process trees of all kinds, and how to find what is left of them: each of their processes has a mark in its
 * environment, which its children inherit.
 */
import * as Fs from "node:fs"
import { Command } from "effect-exec"

/** A tree, as a shell script. */
export interface Tree {
  readonly name: string
  readonly script: string
  /** Whether the process itself ends, whatever becomes of the others. */
  readonly ends?: boolean
  /** Whether it writes without end. */
  readonly writes?: boolean
  /**
   * Whether it has a member that is found by its parent alone, because it has a session of its own. When only that
   * parent is killed it becomes a daemon, which `tree: "group+descent"` does not promise to find.
   */
  readonly hasSession?: boolean
}

export const trees: ReadonlyArray<Tree> = [
  { name: "one process", script: "exec sleep 1000" },
  { name: "children", script: "sleep 1000 & sleep 1000 & wait" },
  { name: "grandchildren", script: `sh -c 'sh -c "sleep 1000 & wait" & sleep 1000' & sleep 1000` },
  { name: "many", script: "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1000 & done; wait" },
  { name: "ignores TERM", script: "trap '' TERM; sleep 1000 & while :; do sleep 0.05; done" },
  { name: "a child that ignores TERM", script: "(trap '' TERM HUP; sleep 1000) & sleep 1000" },
  { name: "a session of its own", script: "setsid sleep 1000 & wait", hasSession: true },
  { name: "talks", script: "while :; do echo hello; echo world >&2; sleep 0.01; done" },
  { name: "writes", script: "exec yes", writes: true },
  { name: "writers", script: "yes & yes >&2 & wait", writes: true },
  { name: "leaves a holder of its output", script: "sleep 1000 & echo held", ends: true },
  { name: "leaves a stubborn holder", script: "(trap '' TERM HUP; sleep 1000) & echo held", ends: true },
  { name: "exits", script: "echo out; echo err >&2; exit 3", ends: true },
  { name: "kills itself", script: "sleep 1000 & kill -9 $$", ends: true }
]

const variable = "EXEC_BENCH_MARK"

/** The command of a tree, with this mark in all its processes. No core files: some of the signals ask for them. */
export const command = ({ script }: Tree, mark: string): Command.Command =>
  Command.make("/bin/sh", ["-c", `ulimit -c 0; ${script}`], { env: { [variable]: mark } })

/** A process that is left of a marked tree. */
export interface Left {
  readonly pid: number
  readonly mark: string
  /** Its arguments and the first fields of its line in `/proc`, to see what it is. */
  readonly what: string
}

const read = (path: string): string => {
  try {
    return Fs.readFileSync(path, "latin1")
  } catch {
    return ""
  }
}

/** All processes whose mark starts like this. A zombie has no environment, and does nothing any more: it is not found. */
export const left = (prefix: string): ReadonlyArray<Left> =>
  Fs.readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return []
    const mark = read(`/proc/${name}/environ`)
      .split("\0")
      .find((entry) => entry.startsWith(`${variable}=${prefix}`))
    if (mark === undefined) return []
    const argv = read(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim()
    const stat = read(`/proc/${name}/stat`).split(") ").at(-1)?.split(" ").slice(0, 4).join(" ")
    return [
      { pid: Number(name), mark: mark.slice(variable.length + 1), what: `${argv} [state ppid pgrp sid: ${stat}]` }
    ]
  })

/** Ends what is left, so that one leak is reported once. */
export const sweep = (all: ReadonlyArray<Left>): void => {
  for (const { pid } of all) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // Gone by itself meanwhile.
    }
  }
}
