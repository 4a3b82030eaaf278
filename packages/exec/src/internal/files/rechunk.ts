/**
 * Bytes in pieces of one size, but for the last.
 */
import * as Stream from "effect/Stream"
import { concat } from "../bytes.ts"

/** What is left of the chunks before, too little for a piece. */
interface Rest {
  readonly parts: ReadonlyArray<Uint8Array>
  readonly size: number
}

const nothing: Rest = { parts: [], size: 0 }

/** Cuts and joins what comes. Each piece has memory of its own. */
export const rechunk =
  (size: number) =>
  <E, R>(self: Stream.Stream<Uint8Array, E, R>): Stream.Stream<Uint8Array, E, R> =>
    Stream.mapAccum(
      self,
      () => nothing,
      (rest, chunk) => {
        if (rest.size === 0 && chunk.length === size) return [rest, [chunk]]
        const pieces: Array<Uint8Array> = []
        let at = 0
        while (rest.size + chunk.length - at >= size) {
          const end = at + size - rest.size
          pieces.push(concat([...rest.parts, chunk.slice(at, end)]))
          rest = nothing
          at = end
        }
        const left = chunk.slice(at)
        return [left.length === 0 ? rest : { parts: [...rest.parts, left], size: rest.size + left.length }, pieces]
      },
      { onHalt: ({ parts, size }) => (size === 0 ? [] : [concat(parts)]) }
    )
