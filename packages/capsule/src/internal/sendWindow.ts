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

export class SendWindow {
  size = initial
  private shortest = Infinity
  private decidedAt = -Infinity

  /** A new socket may take another path. What the last one could carry is still the best guess. */
  restart(): void {
    this.shortest = Infinity
    this.size = Math.max(initial, this.size / 2)
  }

  /**
   * Bytes were acknowledged: `sentAt` the last of them went out, when `inFlight` bytes were under way. `isLimiting` says
   * that data waited for this window meanwhile; else nothing can be learnt about its size.
   */
  acknowledged(bytes: number, sentAt: number, now: number, inFlight: number, isLimiting: boolean): void {
    const roundTrip = now - sentAt
    if (roundTrip < this.shortest) this.shortest = roundTrip
    if (!isLimiting) return
    const longest = this.shortest + allowance
    if (roundTrip <= longest) {
      this.size = Math.min(largest, this.size + bytes)
    } else if (sentAt > this.decidedAt) {
      // Once a round trip, or every acknowledgement of the same congestion would shrink it again.
      this.decidedAt = now
      this.size = Math.max(smallest, Math.min(this.size, (inFlight * longest) / roundTrip))
    }
  }
}
