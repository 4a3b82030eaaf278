/**
 * Which bytes of a ring are stderr. Runs of stdout and stderr alternate, so the offsets at which they change say it
 * all; they are kept in a circular array that grows by doubling.
 */
const none = new Float64Array(0)

/** The other stream. */
export const other = (fd: 1 | 2): 1 | 2 => (fd === 1 ? 2 : 1)

export class RingRuns {
  /** How many changes are held. */
  count = 0
  /** The stream of the newest byte. */
  newest: 1 | 2 = 1
  /** How many of all bytes before the held ones were stderr. */
  stderrBefore = 0
  private oldest: 1 | 2 = 1
  private offsets: Float64Array = none
  private first = 0

  get allocated(): number {
    return this.offsets.byteLength
  }

  /** The first run of an empty ring. */
  begin(fd: 1 | 2): void {
    this.oldest = fd
    this.newest = fd
  }

  /** From this offset on the bytes are of the other stream. At most `limit` changes are ever held. */
  turn(offset: number, limit: number): void {
    if (this.count === this.offsets.length) this.grow(limit)
    let index = this.first + this.count++
    if (index >= this.offsets.length) index -= this.offsets.length
    this.offsets[index] = offset
    this.newest = other(this.newest)
  }

  /** The bytes from `start`, the oldest, up to `to` go. */
  drop(start: number, to: number): void {
    let from = start
    const { offsets } = this
    while (this.count > 0) {
      const change = offsets[this.first]!
      if (change > to) break
      if (this.oldest === 2) this.stderrBefore += change - from
      from = change
      this.oldest = other(this.oldest)
      this.count--
      if (++this.first === offsets.length) this.first = 0
    }
    if (this.oldest === 2) this.stderrBefore += to - from
  }

  /** Gives the memory back; no change may be held. */
  release(): void {
    this.offsets = none
    this.first = 0
  }

  /** The offset of the i-th change. */
  at(i: number): number {
    const index = this.first + i
    return this.offsets[index < this.offsets.length ? index : index - this.offsets.length]!
  }

  /** The stream of the bytes after `i` changes. */
  fdAfter(i: number): 1 | 2 {
    return i % 2 === 0 ? this.oldest : other(this.oldest)
  }

  /** How many changes there are up to this offset. By halves: a reader may begin anywhere among thousands of runs. */
  countUpTo(offset: number): number {
    let low = 0
    let high = this.count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.at(middle) <= offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** How many of all bytes before this offset were stderr. `start` is the offset of the oldest. */
  stderrUpTo(start: number, offset: number): number {
    let total = this.stderrBefore
    let from = start
    for (let i = 0; i <= this.count && from < offset; i++) {
      const until = i < this.count ? Math.min(this.at(i), offset) : offset
      if (this.fdAfter(i) === 2) total += until - from
      from = until
    }
    return total
  }

  private grow(limit: number): void {
    const grown = new Float64Array(Math.min(limit, Math.max(4, this.count * 2)))
    for (let i = 0; i < this.count; i++) grown[i] = this.at(i)
    this.offsets = grown
    this.first = 0
  }
}
