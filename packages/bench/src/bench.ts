/**
 * What a bench is, and how its rounds are run: each side in its turn, in another order each time, so that whatever the
 * machine does besides weighs on all of them.
 */
import { Side } from "./host.ts"
import * as Subjects from "./subjects.ts"
import type { Figures, Params, TaskName } from "./tasks.ts"

/** How much of it. */
export interface Settings {
  /** Rounds that count; one more before them does not. */
  readonly rounds: number
  /** A part of the work of each round, by which its size is multiplied. */
  readonly scale: number
  /** The size of the large heap in mebibytes; 0 leaves its benches out. */
  readonly heap: number
}

/** At least or at most this much. */
export type Bound = { readonly atLeast: number } | { readonly atMost: number }

/** What one subject measured, a value for each round. */
export interface Series {
  readonly subject: string
  readonly values: ReadonlyArray<number>
}

/** One line of the table for each of ours: what was measured, for all that did it. */
export interface Row {
  readonly path: string
  readonly unit: string
  readonly base: Series
  readonly ours: ReadonlyArray<Series>
  readonly peers: ReadonlyArray<Series>
  /** Of whom what is asked; without one the row is for orientation. */
  readonly targets?: Readonly<Record<string, Bound>>
  /** What is bounded: the ratio to the base, or what lies beyond it (for memory). The ratio by default. */
  readonly of?: "ratio" | "difference"
}

export interface Bench {
  readonly name: string
  readonly run: (settings: Settings, report: (row: Row) => void) => Promise<void>
}

/** All figures of all rounds, by subject. */
export type Measured = ReadonlyMap<string, ReadonlyArray<Figures>>

/** Which figure of a task is reported, as what. */
export interface Reported extends Omit<Row, "base" | "ours" | "peers"> {
  readonly figure: string
}

/** What to do in each round. */
export interface Round {
  readonly task: TaskName
  readonly params: Params
  readonly subjects: ReadonlyArray<string>
}

/** Asks each subject once a round, and a round more, first, to warm up. */
export const interleave = async (
  sides: (subject: string) => Side,
  rounds: number,
  { params, subjects, task }: Round
): Promise<Measured> => {
  const measured = new Map<string, Array<Figures>>(subjects.map((subject) => [subject, []]))
  for (let round = -1; round < rounds; round++) {
    for (let turn = 0; turn < subjects.length; turn++) {
      // In the next round the next one begins.
      const subject = subjects[(turn + round + 1) % subjects.length]!
      const figures = await sides(subject).ask({ subject, task, params })
      if (round >= 0) measured.get(subject)!.push(figures)
    }
  }
  return measured
}

const series = (measured: Measured, subject: string, figure: string): Series => ({
  subject,
  values: measured.get(subject)!.map((figures) => figures[figure]!)
})

/** One figure of what was measured, as a row. */
export const row = (measured: Measured, { figure, ...reported }: Reported, cast = Subjects.local): Row => {
  const of = (subjects: ReadonlyArray<string>) =>
    subjects.filter((subject) => measured.has(subject)).map((subject) => series(measured, subject, figure))
  return {
    ...reported,
    base: series(measured, cast.base, figure),
    ours: of(cast.ours),
    peers: of(cast.peers)
  }
}

/** With all subjects in one process: they share its heap, whose size decides what a fork costs. */
export const together = async <A>(heap: number, use: (side: () => Side) => Promise<A>): Promise<A> => {
  const side = await Side.start(heap)
  try {
    return await use(() => side)
  } finally {
    await side.stop()
  }
}

/** With each subject in a process of its own: none collects the garbage of another. */
export const apart = async <A>(
  subjects: ReadonlyArray<string>,
  use: (side: (subject: string) => Side) => Promise<A>
): Promise<A> => {
  const sides = new Map<string, Side>()
  try {
    for (const subject of subjects) sides.set(subject, await Side.start())
    return await use((subject) => sides.get(subject)!)
  } finally {
    await Promise.all(Array.from(sides.values(), (side) => side.stop()))
  }
}
