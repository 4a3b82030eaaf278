/**
 * An agent's pipe over the engine's stream: its stdout is taken out of the frames, and how it ended is found out.
 */
import * as Effect from "effect/Effect"
import type { Pipe, PipeFailure } from "@effect-exec/agent/Pipe"
import { type Broken, Demux } from "./demux.ts"
import type { EngineFailure } from "./failure.ts"
import type { Upgraded } from "./hijack.ts"

/** The pipe, and what else is known of the agent. */
export interface EnginePipe {
  readonly pipe: Pipe & Required<Pick<Pipe, "hold">>
  /** Whether it has ended, or was told to. */
  readonly hasEnded: () => boolean
  /** What came first, as text: the engine says there, in the place of the agent, why it could not start it. */
  readonly firstWords: () => string
  /** Its first bytes, at least so many, as soon as they are there. `read` gives them again, unless they are skipped. */
  readonly peek: (size: number) => Effect.Effect<Uint8Array, PipeFailure>
  readonly skip: () => void
  /** Fails with the reason why it ended. */
  readonly lost: (failure: EngineFailure) => Effect.Effect<never, PipeFailure>
}

// Longer than any sentence of an engine.
const wordsKept = 4096

const problemOf = ({ code, status, text }: EngineFailure): PipeFailure => ({ code: code ?? String(status), text })

/**
 * The pipe. `whyEnded` is asked when the stream ends, for the engine ends it in the same way whatever happened: with its
 * own death, too.
 */
export const make = (stream: Upgraded, whyEnded: Effect.Effect<PipeFailure>): EnginePipe => {
  const demux = new Demux()
  const words: Array<Uint8Array> = []
  let kept = 0
  let peeked = new Uint8Array(0)
  let ended = false
  let users = 0

  const keep = (bytes: Uint8Array) => {
    if (kept >= wordsKept) return
    // Not `slice`, which does not copy a Buffer of Node's: the whole chunk would be kept.
    words.push(new Uint8Array(bytes.subarray(0, wordsKept - kept)))
    kept += bytes.length
  }
  const over = (failure: PipeFailure): Effect.Effect<never, PipeFailure> => {
    ended = true
    return Effect.fail(failure)
  }
  const lost = (failure: EngineFailure) => Effect.flatMap(whyEnded, (why) => over({ ...problemOf(failure), ...why }))

  // Read until this many bytes of stdout were taken, or something is wrong.
  const readTo = (size: number, take: (bytes: Uint8Array) => void): Effect.Effect<void, PipeFailure> =>
    Effect.suspend(() => {
      let left = size
      let broken: Broken | undefined
      const takeAll = (chunk: Uint8Array): boolean => {
        demux.push(chunk)
        for (let piece = demux.next(); piece !== undefined; piece = demux.next()) {
          if ("problem" in piece) {
            broken = piece
            return true
          }
          keep(piece.bytes)
          // The agent writes nothing to stderr; what is there is for `firstWords`.
          if (piece.fd !== 1) continue
          left -= piece.bytes.length
          take(piece.bytes)
        }
        return left <= 0
      }
      return stream.read(takeAll).pipe(
        Effect.catch(lost),
        Effect.flatMap((how) => {
          const problem = broken ?? (how === "end" ? demux.end() : undefined)
          if (problem !== undefined) return over({ code: "EPROTO", text: problem.problem })
          return how === "end" ? lost({ code: "EPIPE", text: "the engine ended the stream" }) : Effect.void
        })
      )
    })
  const peek = (size: number): Effect.Effect<Uint8Array, PipeFailure> =>
    Effect.suspend(() => {
      if (peeked.length >= size) return Effect.succeed(peeked)
      return Effect.andThen(
        readTo(size - peeked.length, (bytes) => (peeked = new Uint8Array(Buffer.concat([peeked, bytes])))),
        Effect.sync(() => peeked)
      )
    })
  const skip = () => {
    peeked = new Uint8Array(0)
  }

  stream.hold(false)
  return {
    hasEnded: () => ended,
    firstWords: () => new TextDecoder().decode(Buffer.concat(words)).trim(),
    peek,
    skip,
    lost,
    pipe: {
      read: (take) =>
        Effect.suspend(() => {
          if (peeked.length > 0) take(peeked)
          skip()
          return readTo(Infinity, take)
        }),
      write: (bytes) => stream.write(bytes).pipe(Effect.catch(lost)),
      end: Effect.suspend(() => {
        ended = true
        return stream.end
      }),
      hold: (busy) => {
        users += busy ? 1 : -1
        stream.hold(users > 0)
      }
    }
  }
}
