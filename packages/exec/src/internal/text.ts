/**
 * Text as a view of events: decoded incrementally for each stream, so that no character breaks at the edge of a chunk.
 */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import * as Stream from "effect/Stream"
import type { ExecEvent } from "../ExecEvent.ts"
import * as utf8 from "./utf8.ts"
import type { Decoder } from "./web.ts"

/** Which of the streams. */
export type Of = "stdout" | "stderr" | "both"

/** Consumes the text of one stream, and gives what is ready. */
interface View {
  readonly text: (text: string) => ReadonlyArray<string>
  /** The stream is over, or has a gap here. */
  readonly flush: () => ReadonlyArray<string>
}

/** One view of one stream, with its own decoder. */
class Channel {
  private decoder: Decoder = utf8.makeDecoder()
  // After a gap the first bytes, three at the most, may belong to a character whose beginning is lost.
  private orphans = 0
  private readonly view: View

  constructor(view: View) {
    this.view = view
  }

  push(bytes: Uint8Array): ReadonlyArray<string> {
    if (this.orphans > 0 && bytes.length > 0) {
      const skipped = Math.min(this.orphans, utf8.orphans(bytes))
      this.orphans = skipped === bytes.length ? this.orphans - skipped : 0
      bytes = bytes.subarray(skipped)
    }
    return this.view.text(this.decoder.decode(bytes, { stream: true }))
  }

  flush(): ReadonlyArray<string> {
    const tail = this.view.text(this.decoder.decode())
    return [...tail, ...this.view.flush()]
  }

  gap(): ReadonlyArray<string> {
    const rest = this.flush()
    this.orphans = 3
    return rest
  }
}

/** Text as it comes. */
export const plain = (): View => ({ text: (text) => (text === "" ? [] : [text]), flush: () => [] })

/** Whole lines without their ends, each at most so long. */
export const lines =
  (maxLength: number, mark: string): (() => View) =>
  () => {
    let held = ""
    return {
      text: (text) => {
        const done: Array<string> = []
        let from = 0
        for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", from)) {
          const line = held + text.slice(from, at)
          done.push(split(line.endsWith("\r") ? line.slice(0, -1) : line, maxLength, mark, done))
          held = ""
          from = at + 1
        }
        held += text.slice(from)
        // One more than may stay: the last may be the first half of a line end.
        if (held.length > maxLength + 1) held = split(held, maxLength, mark, done)
        return done
      },
      flush: () => {
        const done: Array<string> = []
        if (held !== "") done.push(split(held, maxLength, mark, done))
        held = ""
        return done
      }
    }
  }

// Puts out the parts that are too long for one line, marked, and returns the rest. Never cuts between the halves of a
// surrogate pair, which would break a character that arrived whole.
const split = (line: string, maxLength: number, mark: string, done: Array<string>): string => {
  while (line.length > maxLength) {
    const isHalf = (line.codePointAt(maxLength - 1) ?? 0) > 0xffff
    const at = isHalf ? (maxLength === 1 ? 2 : maxLength - 1) : maxLength
    if (at >= line.length) return line
    done.push(line.slice(0, at) + mark)
    line = line.slice(at)
  }
  return line
}

/** The events of a process through a view. */
export const through = <E, R>(
  events: Stream.Stream<ExecEvent, E, R>,
  of: Of,
  makeView: () => View
): Stream.Stream<string, E, R> =>
  Stream.transformPull(events, (pull) =>
    Effect.sync(() => {
      const stdout = of === "stderr" ? undefined : new Channel(makeView())
      const stderr = of === "stdout" ? undefined : new Channel(makeView())
      const convert = (event: ExecEvent): ReadonlyArray<string> => {
        switch (event._tag) {
          case "Stdout":
            return stdout?.push(event.bytes) ?? []
          case "Stderr":
            return stderr?.push(event.bytes) ?? []
          case "Gap":
            return [...(stdout?.gap() ?? []), ...(stderr?.gap() ?? [])]
          case "Started":
          case "Exited":
            return []
        }
      }
      // How the events ended, kept until what was held of the text is out.
      let end: Pull.Pull<never, E> | undefined
      const upstream = Effect.catchCause(pull, (cause) => {
        end = Effect.failCause(cause)
        return Effect.succeed([])
      })
      const next: Pull.Pull<Arr.NonEmptyReadonlyArray<string>, E> = Effect.suspend(
        () =>
          end ??
          Effect.flatMap(upstream, (events) => {
            const parts = events.flatMap(convert)
            if (end !== undefined) parts.push(...(stdout?.flush() ?? []), ...(stderr?.flush() ?? []))
            return Arr.isReadonlyArrayNonEmpty(parts) ? Effect.succeed(parts) : next
          })
      )
      return next
    })
  )
