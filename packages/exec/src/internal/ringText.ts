/**
 * A ring as text: what it holds, stdout and stderr apart, in whole characters.
 *
 * Output is read in pieces, and its beginning may have left the ring, so both edges of a piece can cut through a
 * character. At the end, an incomplete character waits for the next read. At the beginning, after bytes that this
 * reader never saw, the rest of a character is passed over and counted as evicted.
 */
import * as Effect from "effect/Effect"
import type { ExecError } from "../ExecError.ts"
import type { BufferSnapshot } from "../Process.ts"
import type { Held, RingBuffer } from "../RingBuffer.ts"
import * as utf8 from "./utf8.ts"

/** The text of a ring. `read` takes; `peek` shows what `read` would give and changes nothing. Both as `RingBuffer`'s. */
export interface RingText {
  readonly read: Effect.Effect<BufferSnapshot, ExecError>
  readonly peek: Effect.Effect<BufferSnapshot, ExecError>
  /** What the ring evicted, and the orphans that reads passed over. */
  readonly evicted: Effect.Effect<number>
}

interface Place {
  /** How many bytes of this stream came before what is read next, as far as this reader knows. */
  readonly position: number
  /** The beginning of a character, at most 3 bytes. */
  readonly carried: Uint8Array
  /** How many bytes that are next may still be the rest of a character whose beginning is gone. */
  readonly edge: number
  /** How many such bytes were passed over. */
  readonly orphans: number
}

const nothing = new Uint8Array(0)
const beginning: Place = { position: 0, carried: nothing, edge: 0, orphans: 0 }

/** A text view of this ring. It remembers where it is, so that one ring should have one. */
export const makeReader = (ring: RingBuffer): RingText => {
  let stdout = beginning
  let stderr = beginning
  const look = (held: Held) => {
    const out = next(stdout, held, 1, held.stdoutBefore)
    const err = next(stderr, held, 2, held.stderrBefore)
    const evicted = held.evicted + out.place.orphans + err.place.orphans
    return { out, err, snapshot: { stdout: out.text, stderr: err.text, evicted } }
  }
  return {
    read: ring.takeWith((held) => {
      const { out, err, snapshot } = look(held)
      stdout = out.place
      stderr = err.place
      return snapshot
    }),
    peek: ring.peekWith((held) => look(held).snapshot),
    evicted: Effect.map(ring.evicted, (evicted) => evicted + stdout.orphans + stderr.orphans)
  }
}

const next = (
  place: Place,
  held: Held,
  fd: 1 | 2,
  before: number
): { readonly text: string; readonly place: Place } => {
  const lost = before > place.position
  const bytes = gather(held, fd, lost ? nothing : place.carried)
  const fresh = lost ? bytes : bytes.subarray(place.carried.length)
  const edge = lost ? 3 : place.edge
  const orphans = edge === 0 ? 0 : Math.min(edge, utf8.orphans(fresh))
  // After an edge nothing is carried before the first whole character, so that the orphans come first.
  const body = bytes.subarray(orphans)
  const tail = held.ended ? 0 : utf8.incompleteTail(body)
  const text = utf8.decode(body.subarray(0, body.length - tail))
  return {
    // The rest of what was carried is gone: it will not become a character any more.
    text: lost ? utf8.decode(place.carried) + text : text,
    place: {
      position: before + fresh.length,
      carried: tail === 0 ? nothing : body.slice(body.length - tail),
      edge: orphans < fresh.length ? 0 : edge - orphans,
      orphans: place.orphans + orphans
    }
  }
}

const gather = (held: Held, fd: 1 | 2, carried: Uint8Array): Uint8Array => {
  let length = carried.length
  for (const chunk of held.chunks) if (chunk.fd === fd) length += chunk.bytes.length
  const bytes = new Uint8Array(length)
  bytes.set(carried)
  let at = carried.length
  for (const chunk of held.chunks) {
    if (chunk.fd !== fd) continue
    bytes.set(chunk.bytes, at)
    at += chunk.bytes.length
  }
  return bytes
}
