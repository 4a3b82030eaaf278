/**
 * Which detached processes there are, by id, tag and pid: those that run, and those that ended and are retained.
 */
import * as Effect from "effect/Effect"
import type { ProcessId } from "../ProcessId.ts"
import type { Detached } from "./detached.ts"

// How much of what ended is kept, for those who ask late (C35): whichever limit is reached first.
const maxExited = 1_000
const maxAge = 60 * 60 * 1_000
const maxBytes = 64 * 1024 * 1024

/** One that ended: when, and how much output it held then. */
interface Ended {
  readonly at: number
  bytes: number
}

export class Table {
  private readonly byId = new Map<string, Detached>()
  // The latest with this tag or pid: a running one if there is any, for those are unique.
  private readonly byTag = new Map<string, Detached>()
  private readonly byPid = new Map<number, Detached>()
  // In the order in which they ended.
  private readonly ended = new Map<Detached, Ended>()
  private endedBytes = 0

  add(process: Detached): void {
    this.byId.set(process.id, process)
    this.byTag.set(process.tag, process)
    this.byPid.set(process.pid, process)
  }

  get(id: ProcessId): Detached | undefined {
    return this.byId.get(id)
  }

  find(selector: string | number): Detached | undefined {
    if (typeof selector === "number") return this.byPid.get(selector)
    return this.byId.get(selector) ?? this.byTag.get(selector) ?? this.byPid.get(digits(selector))
  }

  isTagTaken(tag: string): boolean {
    const process = this.byTag.get(tag)
    return process !== undefined && process.isLive
  }

  /** In the order in which they started. */
  *all(): Iterable<Detached> {
    yield* this.byId.values()
  }

  *running(): Iterable<Detached> {
    for (const process of this.byId.values()) if (process.isLive) yield process
  }

  /** Keeps a process that ended, and gives those that the limits leave no room for. */
  retain(process: Detached, at: number): Effect.Effect<ReadonlyArray<Detached>> {
    return Effect.flatMap(process.ring.size, (bytes) => {
      this.ended.set(process, { at, bytes })
      this.endedBytes += bytes
      return Effect.as(this.boundBytes, this.expire(at))
    })
  }

  /** Takes out those that are too old, or too many, now. */
  expire(now: number): ReadonlyArray<Detached> {
    const expired: Array<Detached> = []
    for (const [process, { at, bytes }] of this.ended) {
      if (this.ended.size <= maxExited && now - at < maxAge) break
      this.ended.delete(process)
      this.endedBytes -= bytes
      this.remove(process)
      expired.push(process)
    }
    return expired
  }

  private remove(process: Detached): void {
    this.byId.delete(process.id)
    if (this.byTag.get(process.tag) === process) this.byTag.delete(process.tag)
    if (this.byPid.get(process.pid) === process) this.byPid.delete(process.pid)
  }

  // The oldest output goes first; that a process ended, and how, stays. What was read meanwhile is not held any more,
  // so it is counted anew before anything is dropped.
  private get boundBytes(): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      if (this.endedBytes <= maxBytes) return
      this.endedBytes = 0
      for (const [process, ended] of this.ended) {
        ended.bytes = yield* process.ring.size
        this.endedBytes += ended.bytes
      }
      for (const [process, ended] of this.ended) {
        if (this.endedBytes <= maxBytes) return
        yield* process.ring.clear
        this.endedBytes -= ended.bytes
        ended.bytes = 0
      }
    })
  }
}

const digits = (selector: string): number => (/^[0-9]+$/.test(selector) ? Number(selector) : -1)
