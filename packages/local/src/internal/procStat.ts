/**
 * One line of `/proc/<pid>/stat`, read robustly: the second field is a name that the program chooses itself, and may
 * hold spaces, parentheses and newlines.
 */

/** What the tree needs to know about a process. */
export interface ProcStat {
  readonly pid: number
  /** A letter: `R`, `S`, `D`, `T`, `Z` … */
  readonly state: string
  readonly ppid: number
  readonly pgrp: number
  readonly session: number
  readonly threads: number
  /** In clock ticks after boot. Together with the pid it names a process for good, where a pid alone is given again. */
  readonly start: number
}

/** `undefined` where the text is not such a line, for example because the process ended while it was read. */
export const parse = (line: string): ProcStat | undefined => {
  // The name is whatever stands between the first "(" and the last ")": all fields after it are numbers, but for the
  // state, so that no other ")" can follow.
  const open = line.indexOf(" (")
  const close = line.lastIndexOf(") ")
  if (open < 1 || close < open) return undefined
  const fields = line.slice(close + 2).split(" ", 20)
  const numbers = [line.slice(0, open), fields[1], fields[2], fields[3], fields[17], fields[19]].map(Number)
  if (fields.length < 20 || !/^[A-Za-z]$/.test(fields[0]!) || !numbers.every(Number.isSafeInteger)) return undefined
  const [pid, ppid, pgrp, session, threads, start] = numbers as [number, number, number, number, number, number]
  return { pid, state: fields[0]!, ppid, pgrp, session, threads, start }
}

/**
 * Whether the process can still do something. A zombie cannot, it only waits for a parent that may never ask for its
 * status; but a process whose first thread ended looks like one while its other threads run on.
 */
export const isAlive = (stat: ProcStat): boolean =>
  stat.state === "Z" ? stat.threads > 1 : stat.state !== "X" && stat.state !== "x"

/** Whether it can do nothing until it is told to go on, or dies; as far as its first thread tells. */
export const isStopped = (stat: ProcStat): boolean => stat.state === "T" || stat.state === "t"
