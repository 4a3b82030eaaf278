/**
 * What this process holds at a moment when it should hold nothing.
 */
import { setTimeout as sleep } from "node:timers/promises"
import { collectGarbage, descriptors, formatHandles, handles, mebibytes } from "./memory.ts"

export interface Held {
  readonly fibers: number
  readonly descriptors: number
  readonly handles: string
  readonly heap: number
  readonly rss: number
}

const now = (fibers: number): Held => {
  const { heapUsed, rss } = process.memoryUsage()
  return { fibers, descriptors: descriptors(), handles: formatHandles(handles()), heap: heapUsed, rss }
}

/** Counts when all is quiet. */
export const look = async (fibers: () => number): Promise<Held> => {
  // What was closed goes in the next turns of the event loop; what finalizers hold with the next collection.
  for (let i = 0; i < 4; i++) {
    await sleep(25)
    collectGarbage()
  }
  return now(fibers())
}

/**
 * Counts when the heap has come to rest: the code of a program's start, megabytes, goes only some collections after it was
 * last needed, and a figure that includes it would hide as much of growth.
 */
export const rest = async (fibers: () => number): Promise<Held> => {
  let held = await look(fibers)
  for (let calm = 0, i = 0; calm < 5 && i < 50; i++) {
    const next = await look(fibers)
    calm = held.heap - next.heap > 20_000 ? 0 : calm + 1
    held = next
  }
  return held
}

/** Counts until it is as before, for a second at most: what takes longer stays. */
export const settle = async (before: Held, fibers: () => number): Promise<Held> => {
  let held = await look(fibers)
  for (let i = 0; i < 10 && differences(before, held).length > 0; i++) held = await look(fibers)
  return held
}

/**
 * What is counted and not as before. Memory is no count. Fewer descriptors are none too many: an idle connection to the engine,
 * kept for the next request, may have been counted at first.
 */
export const differences = (before: Held, after: Held): ReadonlyArray<string> =>
  (["fibers", "descriptors", "handles"] as const).flatMap((key) =>
    before[key] === after[key] || (key === "descriptors" && after[key] < before[key])
      ? []
      : [`${key}: ${before[key]} before, ${after[key]} after`]
  )

export const format = ({ descriptors, fibers, handles, heap, rss }: Held): string =>
  `fibers ${fibers}, descriptors ${descriptors}, handles ${handles}, heap ${mebibytes(heap)} MiB, RSS ${mebibytes(rss)} MiB`
