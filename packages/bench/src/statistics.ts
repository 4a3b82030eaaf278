/**
 * Medians, and how far the values around them scatter. Never means: on a busy machine one round in ten takes a second.
 */

const sorted = (values: ReadonlyArray<number>): ReadonlyArray<number> => values.toSorted((a, b) => a - b)

/** The value below which this part (0 to 1) of them lies. */
export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  if (values.length === 0) return Number.NaN
  const all = sorted(values)
  const at = part * (all.length - 1)
  const [low, high] = [all[Math.floor(at)]!, all[Math.ceil(at)]!]
  return low + (high - low) * (at - Math.floor(at))
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

/** What one side measured in each round over what the other measured in the same round. */
export const ratios = (own: ReadonlyArray<number>, base: ReadonlyArray<number>): ReadonlyArray<number> =>
  own.map((value, round) => value / base[round]!)

/**
 * By how much `y` grows for each `x`: the median of the slopes between all pairs of points (Theil and Sen), so that a
 * few outliers, of which memory has many, do not tilt it.
 */
export const slope = (points: ReadonlyArray<readonly [x: number, y: number]>): number =>
  median(
    points.flatMap(([x1, y1], index) =>
      points.slice(index + 1).flatMap(([x2, y2]) => (x1 === x2 ? [] : [(y2 - y1) / (x2 - x1)]))
    )
  )

/** A generator of numbers from 0 to 1 that a seed repeats (mulberry32). */
export const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
