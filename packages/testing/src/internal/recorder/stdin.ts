/**
 * What a recorded process was given to read, against what it is given now.
 */
import type { Entry, Recording } from "../../Cassette.ts"
import { concat } from "../bytes.ts"
import { show } from "../matching.ts"
import { decode } from "../web.ts"
import { isSameByte } from "./secrets.ts"

const lengthOf = (entry: Entry): number => ("stdin" in entry ? entry.stdin.length : 0)

/** The stdin of a recording, and how far the program under test has come with it. */
export class RecordedStdin {
  private readonly recording: Recording
  private readonly bytes: Uint8Array
  // Where the process stopped reading: the write that was told so, and all after it, went nowhere.
  private readonly taken: number
  private written = 0

  constructor(recording: Recording) {
    this.recording = recording
    const { entries } = recording
    this.bytes = concat(entries.flatMap((entry) => ("stdin" in entry ? [entry.stdin] : [])))
    const closed = entries.findIndex((entry) => "stdinClosed" in entry)
    const refused = entries.findLastIndex((entry, index) => "stdin" in entry && index < closed)
    this.taken = closed === -1 ? Infinity : this.upTo(refused)
  }

  /** How many bytes were written before this entry. */
  upTo(index: number): number {
    return this.recording.entries.slice(0, Math.max(0, index)).reduce((sum, entry) => sum + lengthOf(entry), 0)
  }

  /** Whether as much was written as up to the end of this entry. */
  hasComeTo(index: number): boolean {
    return this.written >= this.upTo(index + 1)
  }

  /** Takes what is written: all of it, or not because nobody reads any more, or because it should be something else. */
  write(bytes: Uint8Array): "taken" | "refused" | Error {
    const from = this.written
    this.written += bytes.length
    const differs = this.firstDifference(bytes, from)
    // Of what nobody read, it does not matter how much more there would have been.
    const isUnread = this.taken < Infinity && from + differs >= this.bytes.length
    if (differs !== -1 && !isUnread) return new Error(this.changed(bytes, from, differs))
    return this.written <= this.taken ? "taken" : "refused"
  }

  private firstDifference(bytes: Uint8Array, from: number): number {
    for (let at = 0; at < bytes.length; at++) {
      const recorded = this.bytes[from + at]
      if (recorded === undefined || !isSameByte(recorded, bytes[at]!)) return at
    }
    return -1
  }

  private changed(bytes: Uint8Array, from: number, differs: number): string {
    const excerpt = (bytes: Uint8Array) => JSON.stringify(decode(bytes.subarray(0, 80)))
    const at = from + differs
    const recorded = at < this.bytes.length ? excerpt(this.bytes.subarray(at)) : "nothing more"
    const name = show(this.recording.start.run)
    return `${name} is given another stdin than was recorded: from byte ${at} on ${excerpt(bytes.subarray(differs))} instead of ${recorded}`
  }
}
