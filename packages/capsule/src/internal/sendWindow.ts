/**
 * How many bytes of data may be unacknowledged on a connection.
 *
 * Enough to fill the path, which is its bandwidth times its round trip, and not much more: what is beyond that only
 * waits in buffers on the way, and whatever is said meanwhile waits behind it. Neither is known, but both show: while
 * more bytes under way bring more per round trip, the round trip stays short; once they only queue, it grows.
 */

/** Where it begins: what a first round trip may well carry. */
const initial = 256 * 1024
/** Four frames, or even a good path could not show what it can do. */
const smallest = 64 * 1024
/** What a path of 100 MB/s and 160 ms holds. It is also what either end keeps in memory for a lost socket. */
const largest = 16 * 1024 * 1024

/** How long data of ours may make an echo wait, in milliseconds: less than one notices at a keyboard. */
const allowance = 15

/** How many rounds without any queue it takes to believe that the path got wider. */
const calmRounds = 4

export class SendWindow {
  size = initial
  private shortest = Infinity
  /** Doubling each round, until the first queue; then feeling its way. */
  private isProbing = true
  private calm = 0

  // A round is the time of a round trip: what was learnt of messages that were sent in the one before.
  private startedAt = -Infinity
  private acked = 0
  private wasLimiting = false
  private roundShortest = Infinity

  /** A new socket may take another path. What the last one could carry is still the best guess. */
  restart(): void {
    this.shortest = Infinity
    this.size = Math.max(initial, this.size / 2)
    this.isProbing = true
    this.calm = 0
    this.begin(-Infinity)
  }

  /**
   * Bytes were acknowledged: `sentAt` the last of them went out. `isLimiting` says that data waited for this window
   * meanwhile; else nothing can be learnt about its size.
   */
  acknowledged(bytes: number, sentAt: number, now: number, isLimiting: boolean): void {
    const roundTrip = now - sentAt
    if (roundTrip < this.shortest) this.shortest = roundTrip
    // The shortest of a round is what its queue made of it; longer ones were late for other reasons: a busy machine, a
    // garbage collection.
    if (roundTrip < this.roundShortest) this.roundShortest = roundTrip
    this.acked += bytes
    this.wasLimiting ||= isLimiting
    if (sentAt < this.startedAt) return
    if (this.wasLimiting) this.decide()
    this.begin(now)
  }

  private decide(): void {
    const longest = this.shortest + allowance
    if (this.roundShortest > longest) {
      this.isProbing = false
      this.calm = 0
      // What this round had under way took that long; so much less takes as long as it may.
      this.size = Math.max(smallest, this.size / 2, (this.size * longest) / this.roundShortest)
      return
    }
    this.calm = this.roundShortest < this.shortest + allowance / 4 ? this.calm + 1 : 0
    if (this.calm >= calmRounds) this.isProbing = true
    this.size = Math.min(largest, this.size + (this.isProbing ? this.acked : this.size / 8))
  }

  private begin(now: number): void {
    this.startedAt = now
    this.acked = 0
    this.wasLimiting = false
    this.roundShortest = Infinity
  }
}
