/**
 * POSIX signals: names, and the numbers that Linux gives them.
 *
 * Sandboxes run Linux, so a number given to `kill` is a Linux number on every backend; where the host numbers its
 * signals differently (macOS), the local backend sends by name.
 */
import * as Schema from "effect/Schema"

const numbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31
} as const

type Named = keyof typeof numbers

/**
 * A signal by name. The unnamed real-time ones (32 to 64) are `SIG34` and so on, because their names depend on the C
 * library that counts them.
 */
export type Signal = Named | `SIG${number}`

const byNumber = new Map<number, Signal>(Object.entries(numbers).map(([name, number]) => [number, name as Named]))
for (let number = 32; number <= 64; number++) byNumber.set(number, `SIG${number}`)
const byName = new Map<string, number>(Array.from(byNumber, ([number, name]) => [name, number]))

/** The signals with a name of their own, in the order of their numbers. */
export const named: ReadonlyArray<Signal> = Object.keys(numbers) as Array<Named>

/** Whether the value is the name of a signal. */
export const isSignal = (value: unknown): value is Signal => typeof value === "string" && byName.has(value)

/** The number Linux gives to the signal. */
export const toNumber = (signal: Signal): number => byName.get(signal)!

/** The signal with this Linux number, or `undefined` where there is none. */
export const fromNumber = (number: number): Signal | undefined => byNumber.get(number)

/**
 * Reads a name (`"SIGTERM"`) or a number (`15`). An unknown one is `undefined`, never some other signal.
 *
 * ```ts
 * import { Signal } from "effect-exec"
 *
 * Signal.parse(9) // => "SIGKILL"
 * Signal.parse("SIGNOPE") // => undefined
 * ```
 */
export const parse = (input: string | number): Signal | undefined =>
  typeof input === "number" ? fromNumber(input) : isSignal(input) ? input : undefined

/** For data that crosses a wire. */
export const schema: Schema.Codec<Signal, string> = Schema.String.pipe(
  Schema.refine(isSignal, { expected: "the name of a signal" })
)
