/**
 * Secrets kept out of a cassette: the values of `Redacted` variables, wherever they turn up.
 */
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type { Command } from "effect-exec/Command"
import { Reason } from "effect-exec/ExecError"
import type { Entry, Recording } from "../../Cassette.ts"
import { concat } from "../bytes.ts"
import { encode } from "../web.ts"

/** The secrets that a command is given. */
export const secretsOf = (command: Command): ReadonlyArray<string> =>
  Object.values(command.env ?? {}).flatMap((value) => (Redacted.isRedacted(value) ? [Redacted.value(value)] : []))

/** What stands for a byte of a secret in output and stdin: as many of them as it had, so that offsets stay. */
const star = 0x2a

/** Whether a recorded byte is this one, or may have been. */
export const isSameByte = (recorded: number, actual: number): boolean => recorded === actual || recorded === star

const reasonCodec = Schema.toCodecJson(Reason)

/** Takes secrets out of texts and recordings. */
export class Secrets {
  // The longest first: a secret may be a part of another one.
  private all: ReadonlyArray<string> = []

  add(secrets: ReadonlyArray<string>): void {
    const all = new Set([...this.all, ...secrets.filter((secret) => secret !== "")])
    this.all = Array.from(all).toSorted((a, b) => b.length - a.length)
  }

  text(text: string): string {
    return this.all.reduce((text, secret) => text.replaceAll(secret, "<redacted>"), text)
  }

  /** A recording without them, however they were split between chunks. */
  recording({ entries, start }: Recording): Recording {
    if (this.all.length === 0) return { entries, start }
    const clean = (["stdout", "stderr", "stdin"] as const).reduce(
      (entries, stream) => this.stream(entries, stream),
      entries
    )
    return {
      start: { ...this.json(start), ...(start.failed === undefined ? {} : { failed: this.reason(start.failed) }) },
      entries: clean.map((entry) => ("lost" in entry ? { ...entry, lost: this.reason(entry.lost) } : entry))
    }
  }

  /** The same data with other texts. */
  json<A>(value: A): A {
    const walk = (value: unknown): unknown => {
      if (typeof value === "string") return this.text(value)
      if (Array.isArray(value)) return value.map(walk)
      if (typeof value !== "object" || value === null) return value
      return Object.fromEntries(Object.entries(value).map(([key, value]) => [key, walk(value)]))
    }
    return walk(value) as A
  }

  private reason(reason: Reason): Reason {
    return Schema.decodeUnknownSync(reasonCodec)(this.json(Schema.encodeSync(reasonCodec)(reason)))
  }

  private stream(entries: ReadonlyArray<Entry>, name: "stdout" | "stderr" | "stdin"): ReadonlyArray<Entry> {
    const bytesOf = (entry: Entry): Uint8Array | undefined => (entry as Partial<Record<typeof name, Uint8Array>>)[name]
    const whole = concat(entries.flatMap((entry) => bytesOf(entry) ?? []))
    for (const secret of this.all) cover(whole, encode(secret))
    let offset = 0
    return entries.map((entry) => {
      const bytes = bytesOf(entry)
      if (bytes === undefined) return entry
      offset += bytes.length
      return { ...entry, [name]: whole.slice(offset - bytes.length, offset) }
    })
  }
}

const cover = (bytes: Uint8Array, secret: Uint8Array): void => {
  for (let at = bytes.indexOf(secret[0]!); at !== -1; at = bytes.indexOf(secret[0]!, at + 1)) {
    if (secret.every((byte, index) => bytes[at + index] === byte)) bytes.fill(star, at, at + secret.length)
  }
}
