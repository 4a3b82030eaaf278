/**
 * An agent's pipe over the engine's stream: its stdout is taken out of the frames, and how it ended is found out.
 */
import * as Effect from "effect/Effect"
import type { Pipe, PipeFailure } from "@effect-exec/agent/Pipe"
import { Demux } from "./demux.ts"
import type { EngineFailure } from "./failure.ts"
import type { Upgraded } from "./hijack.ts"

/** The pipe, and what else is known of the agent. */
export interface EnginePipe {
  readonly pipe: Pipe & Required<Pick<Pipe, "hold">>
  /** Whether it has ended, or was told to. */
  readonly hasEnded: () => boolean
  /** What came first, as text: the engine says there, in the place of the agent, why it could not start it. */
  readonly firstWords: () => string
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

  const atEnd = Effect.suspend(() => {
    const broken = demux.end()
    return broken === undefined
      ? lost({ code: "EPIPE", text: "the engine ended the stream" })
      : over({ code: "EPROTO", text: broken.problem })
  })

  /** All that a chunk holds; what is wrong, if something is. */
  const takeAll = (chunk: Uint8Array, take: (bytes: Uint8Array) => void): PipeFailure | undefined => {
    demux.push(chunk)
    for (let piece = demux.next(); piece !== undefined; piece = demux.next()) {
      if ("problem" in piece) return { code: "EPROTO", text: piece.problem }
      keep(piece.bytes)
      // The agent writes nothing to stderr; what is there is for `firstWords`.
      if (piece.fd === 1) take(piece.bytes)
    }
    return undefined
  }

  stream.hold(false)
  return {
    hasEnded: () => ended,
    firstWords: () => new TextDecoder().decode(Buffer.concat(words)).trim(),
    pipe: {
      read: (take) =>
        stream.pull.pipe(
          Effect.catch(lost),
          Effect.flatMap((chunk) => {
            if (chunk === undefined) return atEnd
            const problem = takeAll(chunk, take)
            return problem === undefined ? Effect.void : over(problem)
          }),
          Effect.forever({ disableYield: true })
        ),
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
