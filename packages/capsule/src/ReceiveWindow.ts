/**
 * The credit of one channel, as the receiver gives it: for what was taken, never for what has arrived.
 */

/** What all channels of a session may hold beyond their first windows: as much as two fast paths need. */
const sharedExtra = 64 * 1024 * 1024
/** What one channel can use: the largest window of a connection. */
const largest = 16 * 1024 * 1024

/** What the windows of one session have grown to beyond their beginnings. */
export class ExtraBudget {
  private left = sharedExtra

  take(bytes: number): boolean {
    if (bytes > this.left) return false
    this.left -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.left += bytes
  }
}

export class ReceiveWindow {
  private readonly initial: number
  private readonly budget: ExtraBudget
  private readonly grant: (bytes: number) => void
  private size: number
  /** What the other side may still send. */
  private left: number
  /** Taken since the window last grew. */
  private taken = 0
  private hasWaited = false

  constructor(initial: number, budget: ExtraBudget, grant: (bytes: number) => void) {
    this.initial = initial
    this.budget = budget
    this.grant = grant
    this.size = initial
    this.left = initial
  }

  /** Bytes came; false when there was no credit for them. */
  arrived(bytes: number): boolean {
    this.left -= bytes
    return this.left >= 0
  }

  /** The consumer found nothing: it is faster than what comes. */
  waited(): void {
    this.hasWaited = true
  }

  /** The consumer took bytes, which may be replaced; in few and large grants, for each is a message. */
  consumed(bytes: number, held: number): void {
    this.taken += bytes
    if (this.hasWaited && this.taken > this.size && this.size < largest && this.budget.take(this.size)) {
      this.size *= 2
      this.taken = 0
      this.hasWaited = false
    }
    const owed = this.size - this.left - held
    if (owed < this.size / 4) return
    this.left += owed
    this.grant(owed)
  }

  /** Nothing more comes. */
  close(): void {
    this.budget.giveBack(this.size - this.initial)
    this.size = this.initial
  }
}
