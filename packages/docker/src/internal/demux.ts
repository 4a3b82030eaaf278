/**
 * Takes the engine's stream apart: frames of stdout and stderr, in chunks that are cut anywhere.
 *
 * A frame is eight bytes (type, three zeros, length) and its payload. Nothing is copied or gathered: what is given are
 * views of the chunks, so that a payload may come in several pieces. Work is one step per frame and chunk, however they
 * are cut; docker-modem's own demultiplexer copies the rest of the chunk for every frame, recurses, and overflows the
 * stack on a chunk of many small frames.
 */

/** A part of one of the outputs. */
export interface Piece {
  readonly fd: 1 | 2
  /** A view of the chunk. */
  readonly bytes: Uint8Array
}

/** What can be wrong with a stream. */
export interface Broken {
  readonly _tag: "Malformed" | "EngineError"
  readonly problem: string
}

const headerSize = 8
const decoder = new TextDecoder()
// Longer words of the engine are cut: the length comes from the wire.
const maxWords = 4096

export class Demux {
  private chunk: Uint8Array = new Uint8Array(0)
  private at = 0
  private readonly header = new Uint8Array(headerSize)
  private headerBytes = 0
  private type = 0
  private left = 0
  private words: Array<Uint8Array> = []
  private wordBytes = 0
  private broken: Broken | undefined
  private readonly isTty: boolean

  /** A terminal's stream has no frames: all of it is stdout. */
  constructor(options: { readonly tty?: boolean } = {}) {
    this.isTty = options.tty ?? false
  }

  /** Gives it the next chunk, once `next` has said `undefined` to the one before. */
  push(chunk: Uint8Array): void {
    this.chunk = chunk
    this.at = 0
  }

  /** The next piece; `undefined` when it needs another chunk. Once something is wrong, it stays so. */
  next(): Piece | Broken | undefined {
    if (this.broken !== undefined) return this.broken
    if (this.isTty) return this.rest()
    while (this.at < this.chunk.length) {
      if (this.left === 0 && !this.takeHeader()) return this.broken
      // A frame without payload, or one whose payload is in the next chunk.
      if (this.left === 0 || this.at === this.chunk.length) continue
      const end = Math.min(this.chunk.length, this.at + this.left)
      const bytes = this.chunk.subarray(this.at, end)
      this.left -= bytes.length
      this.at = end
      if (this.type !== 3) return { fd: this.type === 2 ? 2 : 1, bytes }
      this.listen(bytes)
      if (this.broken !== undefined) return this.broken
    }
    return undefined
  }

  /** What is wrong with a stream that ends here; `undefined` when nothing is. */
  end(): Broken | undefined {
    if (this.broken !== undefined) return this.broken
    if (this.type === 3 && this.left > 0) return this.engineError()
    return this.left === 0 && this.headerBytes === 0
      ? undefined
      : { _tag: "Malformed", problem: "the engine's stream was cut off inside a frame" }
  }

  private rest(): Piece | undefined {
    const bytes = this.chunk.subarray(this.at)
    this.at = this.chunk.length
    return bytes.length === 0 ? undefined : { fd: 1, bytes }
  }

  /** True when a header is complete. */
  private takeHeader(): boolean {
    while (this.headerBytes < headerSize && this.at < this.chunk.length) {
      this.header[this.headerBytes++] = this.chunk[this.at++]!
    }
    if (this.headerBytes < headerSize) return false
    this.headerBytes = 0
    const [type = 0, a, b, c, l3 = 0, l2 = 0, l1 = 0, l0 = 0] = this.header
    if (type > 3 || a !== 0 || b !== 0 || c !== 0) {
      const seen = Array.from(this.header, (byte) => byte.toString(16).padStart(2, "0")).join(" ")
      this.broken = { _tag: "Malformed", problem: `${seen} begins no frame of the engine's stream` }
      return false
    }
    this.type = type
    this.left = ((l3 << 24) | (l2 << 16) | (l1 << 8) | l0) >>> 0
    if (type === 3 && this.left === 0) this.broken = this.engineError()
    return this.broken === undefined
  }

  private listen(bytes: Uint8Array): void {
    if (this.wordBytes < maxWords) this.words.push(new Uint8Array(bytes.subarray(0, maxWords - this.wordBytes)))
    this.wordBytes += bytes.length
    if (this.left === 0) this.broken = this.engineError()
  }

  private engineError(): Broken {
    const problem = decoder.decode(Buffer.concat(this.words)).trim()
    return { _tag: "EngineError", problem: problem === "" ? "the engine reported an error without words" : problem }
  }
}
