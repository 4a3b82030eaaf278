/**
 * Commands, outputs, events and faults for property tests. What is generated is always valid, also while it shrinks:
 * offsets have no hole, chunks are the bytes they were cut from, every command can be run.
 *
 * ```ts
 * import { Arbitrary, Effect, Stream } from "effect"
 * import { Exec, ExecEvent } from "effect-exec"
 * import { Generators } from "@effect-exec/testing"
 *
 * // Text does not depend on how the output was cut, not in the middle of a character either.
 * const property = Arbitrary.checkEffect(Generators.chunking(Generators.text), ({ bytes, chunks }) => {
 *   const events = Stream.fromIterable(chunks.map((bytes): ExecEvent.ExecEvent => ({ _tag: "Stdout", offset: 0, bytes })))
 *   return Effect.map(Stream.mkString(Exec.text(events)), (text) => text === new TextDecoder().decode(bytes))
 * })
 *
 * const result = await Effect.runPromise(property)
 * result._tag // => "Passed"
 * ```
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { EndedBy, ExecEvent } from "effect-exec/ExecEvent"
import * as ExitStatus from "effect-exec/ExitStatus"
import * as ProcessId from "effect-exec/ProcessId"
import * as Signal from "effect-exec/Signal"
import type * as FaultyExec from "./FaultyExec.ts"
import { encode } from "./internal/web.ts"

const between = (minimum: number, maximum: number): Arbitrary.Arbitrary<number> =>
  Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))

const oneOf = <const A extends ReadonlyArray<unknown>>(values: A): Arbitrary.Arbitrary<A[number]> =>
  Arbitrary.map(between(0, values.length - 1), (index) => values[index]!)

const optional = <A>(value: Arbitrary.Arbitrary<A>): Arbitrary.Arbitrary<A | undefined> =>
  Arbitrary.map(Arbitrary.array(value, { maxLength: 1 }), ([value]) => value)

const wellFormed: Arbitrary.Arbitrary<string> = Arbitrary.map(Arbitrary.schema(Schema.String), (text) =>
  text.toWellFormed().replaceAll("\0", "")
)

// What shells, quoting and line-based formats stumble over.
const awkward = [
  "",
  " ",
  "-",
  "--help",
  "$HOME",
  "'",
  '"',
  "\\",
  "*",
  "a b",
  "a\nb",
  "\t",
  "`x`",
  "%s",
  "ä",
  "🎈",
  "\u0301",
  "=",
  ";"
]

/** An argument or a value of a variable: any text that a program can be given, the awkward ones often. */
export const word: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.all([between(0, 1), wellFormed, oneOf(awkward)]),
  ([which, text, awkward]) => (which === 0 ? text : awkward)
)

/** What commands are made of. */
export interface CommandOptions {
  /** The programs, by name; `["true"]` by default. */
  readonly programs?: readonly [string, ...ReadonlyArray<string>]
  /** The arguments, `word` by default. */
  readonly args?: Arbitrary.Arbitrary<ReadonlyArray<string>>
  /** Where some of them start; by default none says where. */
  readonly directories?: ReadonlyArray<string>
  /** As whom some of them run; by default none says so. */
  readonly users?: ReadonlyArray<string>
}

/** A name for a variable. */
const variable: Arbitrary.Arbitrary<string> = Arbitrary.map(
  Arbitrary.array(oneOf(Array.from("ABCXYZ_019")), { maxLength: 8 }),
  (letters) => `V${letters.join("")}`
)

/** Commands that can be run: without NUL bytes, halves of surrogate pairs, or names that are none. */
export const command = (options: CommandOptions = {}): Arbitrary.Arbitrary<Command> => {
  const { args = Arbitrary.array(word, { maxLength: 6 }), directories = [], programs = ["true"], users = [] } = options
  const among = (values: ReadonlyArray<string>) =>
    values.length === 0 ? Arbitrary.Constant(undefined) : optional(oneOf(values))
  return Arbitrary.map(
    Arbitrary.all({
      program: oneOf(programs),
      args,
      env: Arbitrary.array(Arbitrary.all([variable, word]), { maxLength: 3 }),
      cwd: among(directories),
      user: among(users)
    }),
    ({ args, cwd, env, program, user }) => ({
      argv: [program, ...args],
      ...(env.length === 0 ? {} : { env: Object.fromEntries(env) }),
      ...(cwd === undefined ? {} : { cwd }),
      ...(user === undefined ? {} : { user })
    })
  )
}

/** Any bytes. */
export const bytes: Arbitrary.Arbitrary<Uint8Array> = Arbitrary.schema(Schema.Uint8Array)

/** The bytes of text, many of its characters longer than one of them. */
export const text: Arbitrary.Arbitrary<Uint8Array> = Arbitrary.map(
  Arbitrary.array(oneOf(["a", "\n", "\r\n", "é", "漢", "🎈", "\u0301"])),
  (characters) => encode(characters.join(""))
)

/** Bytes, and chunks of them. */
export interface Chunked {
  readonly bytes: Uint8Array
  /** None of them empty; together they are the bytes. */
  readonly chunks: ReadonlyArray<Uint8Array>
}

/** Any way to cut any of these bytes. It shrinks to fewer bytes and to fewer cuts. */
export const chunking = (source: Arbitrary.Arbitrary<Uint8Array> = bytes): Arbitrary.Arbitrary<Chunked> =>
  Arbitrary.map(Arbitrary.all([source, Arbitrary.array(between(0, 1 << 20))]), ([bytes, positions]) => ({
    bytes,
    chunks: cut(bytes, positions)
  }))

const cut = (bytes: Uint8Array, positions: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const cuts = Array.from(new Set(positions.map((position) => position % Math.max(1, bytes.length))))
  const edges = [...cuts.filter((position) => position > 0), bytes.length].toSorted((a, b) => a - b)
  return edges.flatMap((to, index) => {
    const from = edges[index - 1] ?? 0
    return to > from ? [bytes.slice(from, to)] : []
  })
}

/** A signal with a name of its own. */
export const signal: Arbitrary.Arbitrary<Signal.Signal> = oneOf(Signal.named)

/** How a process may end; it shrinks to exit code 0. */
export const exitStatus: Arbitrary.Arbitrary<ExitStatus.ExitStatus> = Arbitrary.map(
  Arbitrary.all([between(0, 1), between(0, 255), signal]),
  ([which, code, signal]) => (which === 0 ? ExitStatus.exited(code) : ExitStatus.signaled(signal))
)

/** An identity that a caller may give to a process; it shrinks to `p`. */
export const processId: Arbitrary.Arbitrary<ProcessId.ProcessId> = Arbitrary.map(
  Arbitrary.array(oneOf(Array.from("abz019._:-")), { maxLength: 127 }),
  (letters) => ProcessId.make(`p${letters.join("")}`)
)

/** Which events there are. */
export interface EventsOptions {
  /** The bytes of one chunk; `bytes` by default. Empty ones are left out, as no process writes them. */
  readonly chunk?: Arbitrary.Arbitrary<Uint8Array>
  /** Whether there may be a `Gap`, as in a ring that was too small. False by default. */
  readonly gaps?: boolean
}

/**
 * The events of one process, from `Started` to `Exited`, with offsets that follow each other. They shrink to fewer
 * chunks, shorter ones, and stdout, and stay events that a process can have.
 */
export const events = (options: EventsOptions = {}): Arbitrary.Arbitrary<ReadonlyArray<ExecEvent>> => {
  const kinds = ["Stdout", "Stderr", ...(options.gaps === true ? (["Gap"] as const) : [])] as const
  return Arbitrary.map(
    Arbitrary.all({
      id: processId,
      pid: between(1, 4_194_304),
      outputs: Arbitrary.array(Arbitrary.all({ kind: oneOf(kinds), bytes: options.chunk ?? bytes })),
      status: exitStatus,
      millis: between(0, 100_000),
      endedBy: oneOf(["self", "signal", "timeout", "maxOutput"] satisfies ReadonlyArray<EndedBy>),
      incomplete: Arbitrary.map(between(0, 1), (bit) => bit === 1)
    }),
    ({ endedBy, id, incomplete, millis, outputs, pid, status }) => {
      let offset = 0
      const middle = outputs.flatMap(({ bytes, kind }): ReadonlyArray<ExecEvent> => {
        if (bytes.length === 0) return []
        const from = offset
        offset += bytes.length
        return kind === "Gap" ? [{ _tag: kind, from, to: offset }] : [{ _tag: kind, offset: from, bytes }]
      })
      return [
        { _tag: "Started", id, pid },
        ...middle,
        { _tag: "Exited", status, duration: Duration.millis(millis), endedBy, incomplete }
      ]
    }
  )
}

/** Chunk faults that change no byte: any program has to live with them. They shrink to none. */
export const chunkFaults: Arbitrary.Arbitrary<FaultyExec.Chunks> = Arbitrary.map(
  Arbitrary.all([optional(between(1, 65_536)), optional(between(1, 5)), optional(between(1, 5))]),
  ([split, merge, delay]) => ({
    ...(split === undefined ? {} : { split }),
    ...(merge === undefined ? {} : { merge }),
    ...(delay === undefined ? {} : { delay })
  })
)

/** What may go wrong. */
export interface FaultsOptions {
  /** The most bytes after which something strikes; 10,000 by default. */
  readonly after?: number
  /** The most starts of which one may be struck; 5 by default. */
  readonly starts?: number
}

/**
 * Faults of a few starts: each fails to start (in a way that is safe to retry), is lost, hangs, or is killed. They
 * shrink to fewer, earlier ones.
 */
export const faults = (options: FaultsOptions = {}): Arbitrary.Arbitrary<ReadonlyArray<FaultyExec.Fault>> => {
  const { after: most = 10_000, starts = 5 } = options
  const kinds = ["FailStart", "Lose", "Hang", "Exit"] as const
  const fault = Arbitrary.all({ kind: oneOf(kinds), nth: between(1, starts), after: between(0, most), signal })
  return Arbitrary.map(Arbitrary.array(fault, { maxLength: starts }), (faults) =>
    faults.map(({ after, kind, nth, signal }): FaultyExec.Fault => {
      switch (kind) {
        case "FailStart":
          return { _tag: kind, nth, reason: new ExecError.LimitReached({ limit: "processes, on purpose" }) }
        case "Exit":
          return { _tag: kind, nth, after, status: ExitStatus.signaled(signal) }
        default:
          return { _tag: kind, nth, after }
      }
    })
  )
}
