/**
 * Writing frames one behind another into one buffer that grows and is used again.
 */
import { headerSize } from "./protocol.ts"
import { web } from "./web.ts"

const encoder = new web.TextEncoder()

// What a burst of starts needs; a buffer that a large one made grow is not kept for ever.
const initialSize = 64 * 1024
const keptSize = 1024 * 1024

/** Frames that wait to be written. Call `begin`, the fields, and `end`. */
export class Encoder {
  private bytes = new Uint8Array(initialSize)
  private view = new DataView(this.bytes.buffer)
  private frame = 0
  /** How many bytes are in it. */
  length = 0

  /** What is in it: a view, until `clear`. */
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
    if (this.bytes.length <= keptSize) return
    this.bytes = new Uint8Array(initialSize)
    this.view = new DataView(this.bytes.buffer)
  }

  begin(kind: number, command: number): void {
    this.frame = this.length
    this.u32(0)
    this.u32(command)
    this.u32(kind)
  }

  /** Ends the frame. False, and nothing was written, when its payload is longer than that. */
  end(maxPayload: number): boolean {
    const payload = this.length - this.frame - headerSize
    if (payload > maxPayload) {
      this.length = this.frame
      return false
    }
    this.view.setUint32(this.frame, payload, true)
    return true
  }

  u8(value: number): void {
    this.reserve(1)
    this.bytes[this.length++] = value
  }

  u16(value: number): void {
    this.reserve(2)
    this.view.setUint16(this.length, value, true)
    this.length += 2
  }

  u32(value: number): void {
    this.reserve(4)
    this.view.setUint32(this.length, value, true)
    this.length += 4
  }

  u64(value: bigint): void {
    this.reserve(8)
    this.view.setBigUint64(this.length, value, true)
    this.length += 8
  }

  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.bytes.set(bytes, this.length)
    this.length += bytes.length
  }

  text(value: string): void {
    // A UTF-16 unit is at most three bytes of UTF-8.
    this.reserve(4 + value.length * 3 + 1)
    const { written } = encoder.encodeInto(value, this.bytes.subarray(this.length + 4))
    this.view.setUint32(this.length, written + 1, true)
    this.length += 4 + written
    // Here may be bytes of an earlier batch.
    this.bytes[this.length++] = 0
  }

  texts(values: ReadonlyArray<string>): void {
    this.u32(values.length)
    for (const value of values) this.text(value)
  }

  private reserve(more: number): void {
    const needed = this.length + more
    if (needed <= this.bytes.length) return
    const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2))
    larger.set(this.bytes.subarray(0, this.length))
    this.bytes = larger
    this.view = new DataView(larger.buffer)
  }
}
