/**
 * What a bench asks of every side alike. Promises are the common ground: Effect programs pay 10 µs to come out there,
 * which is part of what they cost to a program that is not one.
 */

/** A program with its arguments. */
export type Argv = readonly [program: string, ...args: ReadonlyArray<string>]

/** One side, ready to run commands. */
export interface Driver {
  /** Runs to the end and collects the output; gives its size. */
  readonly run: (argv: Argv) => Promise<number>
  /** Runs to the end and counts the output as it comes; gives its size. */
  readonly count: (argv: Argv) => Promise<number>
  /** Starts something that stays, as `detach` does; gives what ends it. Absent where there is no such thing. */
  readonly hold?: (argv: Argv) => Promise<() => Promise<unknown>>
  readonly close: () => Promise<void>
}

// The same few variables for all: a large environment takes time to copy, and `LocalExec` gives its commands a small one.
export const env: Record<string, string> = { PATH: process.env["PATH"] ?? "/bin:/usr/bin" }

/** Refuses a measurement of something that did not happen. */
export const mustSucceed = (argv: Argv, code: number | null | undefined): void => {
  if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}`)
}
