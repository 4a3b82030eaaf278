/**
 * Reads the one file of an archive that the engine packed.
 */
import * as Effect from "effect/Effect"
import * as PlatformError from "effect/PlatformError"
import * as Stream from "effect/Stream"

/** What the header of an entry says. */
interface Header {
  readonly type: string
  readonly size: number
  readonly link: string
}

/** The entry is a symbolic link, to this path. */
export class Link extends Error {
  readonly target: string
  constructor(target: string) {
    super("a symbolic link")
    this.target = target
  }
}

const block = 512
const decoder = new TextDecoder()

const text = (bytes: Uint8Array): string =>
  decoder.decode(bytes.subarray(0, (bytes.indexOf(0) + 1 || bytes.length + 1) - 1))

// Eleven octal digits, or for what is larger, binary with the first bit set.
const number = (bytes: Uint8Array): number =>
  (bytes[0]! & 0x80) === 0
    ? Number.parseInt(text(bytes).trim() || "0", 8)
    : bytes.subarray(1).reduce((value, byte) => value * 256 + byte, 0)

/** The steps of reading: header, payload, padding, and what extended headers said of the next entry. */
class Untar {
  private readonly header = new Uint8Array(block)
  private have = 0
  private left = 0
  private pad = 0
  private use: "file" | "pax" | "longLink" | "skip" = "skip"
  private notes: Array<Uint8Array> = []
  private overrides: { size?: number; link?: string } = {}
  /** Whether the payload of the file has begun, and whether all of it was seen. */
  seen = false

  get isWhole(): boolean {
    return this.seen && this.left === 0
  }

  take(chunk: Uint8Array): ReadonlyArray<Uint8Array> {
    const out: Array<Uint8Array> = []
    let at = 0
    while (at < chunk.length) {
      if (this.left > 0) {
        const bytes = chunk.subarray(at, at + this.left)
        at += bytes.length
        this.left -= bytes.length
        if (this.use === "file") out.push(bytes)
        else if (this.use !== "skip") this.notes.push(new Uint8Array(bytes))
        if (this.left === 0) this.noted()
      } else if (this.pad > 0) {
        const skipped = Math.min(this.pad, chunk.length - at)
        at += skipped
        this.pad -= skipped
      } else {
        const bytes = chunk.subarray(at, at + block - this.have)
        this.header.set(bytes, this.have)
        this.have += bytes.length
        at += bytes.length
        if (this.have === block) this.begin()
      }
    }
    return out
  }

  private begin(): void {
    this.have = 0
    // The end of the archive. A name of zeros alone is none: it may be in the extended header before.
    if (this.header.every((byte) => byte === 0)) return
    const header: Header = {
      type: String.fromCharCode(this.header[156]!),
      size: number(this.header.subarray(124, 136)),
      link: text(this.header.subarray(157, 257))
    }
    if (header.type === "x" || header.type === "g" || header.type === "K") {
      this.use = header.type === "x" ? "pax" : header.type === "K" ? "longLink" : "skip"
      this.length(header.size)
      return
    }
    if (header.type === "L") {
      this.use = "skip"
      this.length(header.size)
      return
    }
    if (header.type === "2") throw new Link(this.overrides.link ?? header.link)
    if (header.type !== "0" && header.type !== "\0")
      throw new Error(header.type === "5" ? "it is a directory" : "it is no regular file")
    this.use = this.seen ? "skip" : "file"
    this.seen = true
    this.length(this.overrides.size ?? header.size)
    this.overrides = {}
  }

  private length(size: number): void {
    this.left = size
    this.pad = (block - (size % block)) % block
  }

  private noted(): void {
    const all = decoder.decode(Buffer.concat(this.notes))
    this.notes = []
    if (this.use === "longLink") this.overrides.link = all.replace(/\0$/, "")
    if (this.use !== "pax") return
    for (const line of all.split("\n")) {
      const [, key, value] = /^\d+ ([^=]+)=(.*)$/s.exec(line) ?? []
      if (key === "size") this.overrides.size = Number(value)
      if (key === "linkpath") this.overrides.link = value!
    }
  }
}

const wrong = (cause: unknown) =>
  PlatformError.systemError({
    _tag: "BadResource",
    module: "Container",
    method: "readFile",
    description: cause instanceof Error ? cause.message : String(cause),
    cause
  })

/** The bytes of the archive's file. Fails with `BadResource` when it is none, the cause being a `Link` for a link. */
export const entries = <E>(
  archive: Stream.Stream<Uint8Array, E>
): Stream.Stream<Uint8Array, E | PlatformError.PlatformError> =>
  Stream.suspend(() => {
    const untar = new Untar()
    return archive.pipe(
      Stream.mapEffect((chunk) => Effect.try({ try: () => untar.take(chunk), catch: wrong })),
      Stream.flattenIterable,
      Stream.concat(
        Stream.suspend(() =>
          untar.isWhole ? Stream.empty : Stream.fail(wrong(new Error("the engine's archive was cut off")))
        )
      )
    )
  })
