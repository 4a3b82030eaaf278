/**
 * Cutting the agent's bytes into frames, wherever they are split.
 */
import { headerSize, maxPayload, toClient } from "./protocol.ts"

/** Who is told of the frames. */
export interface Frames {
  /** Output of a command or a file, at least one byte; the receiver's own. */
  readonly output: (command: number, fd: 1 | 2, bytes: Uint8Array) => void
  /**
   * Any other frame. The payload is borrowed until this returns. Gives what is wrong with it, or `undefined`.
   */
  readonly frame: (kind: number, command: number, payload: Uint8Array) => string | undefined
}

/**
 * An incremental state machine. Output is copied once, from the buffer it was read into to a chunk of its own: a slice
 * would pin the whole buffer for as long as anybody keeps it, and the buffer could not be used again.
 */
export class Framer {
  private readonly frames: Frames
  private readonly header = new Uint8Array(headerSize)
  private filled = 0
  // The frame whose payload is incomplete, once its header is.
  private payload: Uint8Array | undefined
  private kind = 0
  private command = 0
  private problem: string | undefined

  constructor(frames: Frames) {
    this.frames = frames
  }

  /**
   * Takes the next bytes, which are borrowed until it returns. Gives what is wrong with them, if anything is; the
   * frames cannot be told apart any more then, and whatever comes later is ignored.
   */
  take(bytes: Uint8Array): string | undefined {
    let at = 0
    while (this.problem === undefined && at < bytes.length) {
      at = this.payload === undefined ? this.takeHeader(bytes, at) : this.takePayload(bytes, at)
    }
    return this.problem
  }

  /** The bytes end here. What had arrived of an output frame that was cut off is given as it is. */
  end(): void {
    const { payload } = this
    this.payload = undefined
    if (payload !== undefined && this.filled > 0 && this.isOutput) this.give(payload.slice(0, this.filled))
  }

  private get isOutput(): boolean {
    return this.kind === toClient.stdout || this.kind === toClient.stderr
  }

  private takeHeader(bytes: Uint8Array, at: number): number {
    // Nearly always the whole header is here, and nothing of it was before.
    if (this.filled === 0 && bytes.length - at >= headerSize) return this.readHeader(bytes, at, bytes, at + headerSize)
    const end = Math.min(bytes.length, at + headerSize - this.filled)
    this.header.set(bytes.subarray(at, end), this.filled)
    this.filled += end - at
    return this.filled < headerSize ? end : this.readHeader(this.header, 0, bytes, end)
  }

  private readHeader(header: Uint8Array, at: number, bytes: Uint8Array, next: number): number {
    const length = u32(header, at)
    this.command = u32(header, at + 4)
    this.kind = header[at + 8]!
    this.filled = 0
    if ((header[at + 9]! | header[at + 10]! | header[at + 11]!) !== 0)
      return this.fail("a frame has a malformed header", next)
    if (length > maxPayload) return this.fail(`a frame of ${length} bytes`, next)
    if (length === 0 && this.isOutput) return this.fail("output of no bytes", next)
    if (bytes.length - next >= length) {
      // Not `slice`, which does not copy where the chunk is a Buffer of Node's.
      if (this.isOutput) this.give(new Uint8Array(bytes.subarray(next, next + length)))
      else this.control(bytes.subarray(next, next + length))
      return next + length
    }
    this.payload = new Uint8Array(length)
    return next === bytes.length ? next : this.takePayload(bytes, next)
  }

  private takePayload(bytes: Uint8Array, at: number): number {
    const payload = this.payload!
    const end = Math.min(bytes.length, at + payload.length - this.filled)
    payload.set(at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end), this.filled)
    this.filled += end - at
    if (this.filled < payload.length) return end
    this.payload = undefined
    this.filled = 0
    if (this.isOutput) this.give(payload)
    else this.control(payload)
    return end
  }

  private give(bytes: Uint8Array): void {
    this.frames.output(this.command, this.kind === toClient.stdout ? 1 : 2, bytes)
  }

  private control(payload: Uint8Array): void {
    this.problem = this.frames.frame(this.kind, this.command, payload)
  }

  private fail(problem: string, next: number): number {
    this.problem = problem
    return next
  }
}

const u32 = (bytes: Uint8Array, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
