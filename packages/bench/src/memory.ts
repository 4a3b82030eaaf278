/**
 * What this process holds: memory, descriptors, handles.
 */
import * as Fs from "node:fs"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

// So that nobody has to remember `--expose-gc`.
setFlagsFromString("--expose-gc")
const gc = runInNewContext("gc") as () => void

/** Twice, because the first only queues what has finalizers. */
export const collectGarbage = (): void => {
  gc()
  gc()
}

/** Open descriptors, without the one that counting takes. */
export const descriptors = (): number => Fs.readdirSync("/proc/self/fd").length - 1

/** What keeps the event loop alive, by kind. */
export const handles = (): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** As `handles`, in one line that compares equal where they are. */
export const formatHandles = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([kind, count]) => `${kind}×${count}`)
    .join(" ") || "none"

export const mebibytes = (bytes: number): string => (bytes / 1024 / 1024).toFixed(1)

/**
 * Fills the heap with small arrays of doubles of 8 KiB, that many mebibytes in all, and keeps them. They lie in the old
 * space like any object, page by page, so that a fork has page tables to copy for all of them; the collector, which has
 * nothing to follow in them, is slowed down less than by as much of objects.
 */
export const fillHeap = (size: number): ReadonlyArray<ReadonlyArray<number>> => {
  const one = Array.from({ length: 1022 }, (_, index) => index + 0.5)
  // Copies of one, because to compute them all takes a quarter of a minute.
  return Array.from({ length: size * 128 }, () => one.slice())
}
