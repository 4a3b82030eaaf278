/**
 * Checks commands and options when they are used, before anything starts, and says how to mend them. Values are never
 * repeated in a message: they may be secrets.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import type { Capabilities } from "../Capabilities.ts"
import type { Command } from "../Command.ts"
import * as ExecError from "../ExecError.ts"
import type { KillOptions, Lingering, Overflow } from "../ExecOptions.ts"
import { isProcessId } from "../ProcessId.ts"
import * as Signal from "../Signal.ts"
import { isTtySize } from "../TtySize.ts"

const fail = (field: string, problem: string) =>
  Effect.fail(ExecError.make(new ExecError.InvalidCommand({ field, problem })))

const unsupported = (feature: string) => Effect.fail(ExecError.make(new ExecError.Unsupported({ feature })))

type Checked<A = void> = Effect.Effect<A, ExecError.ExecError>

const nulProblem = "it contains a NUL byte, which no program can receive; remove it"

// What is wrong with a string that goes to the kernel, if anything is. JavaScript callers may pass anything.
const stringProblem = (value: unknown): string | undefined => {
  if (typeof value !== "string") return "it is not a string"
  if (value.includes("\0")) return nulProblem
  return value.isWellFormed() ? undefined : "it contains half of a surrogate pair, which stands for no character"
}

/** The command itself: what no backend could start. */
export const command = (command: Command): Checked => {
  if (!Array.isArray(command.argv) || command.argv.length === 0 || command.argv[0] === "") {
    return fail("argv", "there is no program to run; the first element has to name one")
  }
  for (const [index, arg] of command.argv.entries()) {
    const problem = stringProblem(arg)
    if (problem !== undefined) return fail(`argv[${index}]`, problem)
  }
  for (const [name, value] of Object.entries(command.env ?? {})) {
    if (name === "" || name.includes("=") || name.includes("\0")) {
      return fail("env", `${JSON.stringify(name)} is not a name; a name is not empty and has no "=" and no NUL byte`)
    }
    if (value === undefined) continue
    const problem = stringProblem(Redacted.isRedacted(value) ? Redacted.value(value) : value)
    if (problem !== undefined) return fail(`env.${name}`, problem)
  }
  if (command.extendEnv !== undefined && typeof command.extendEnv !== "boolean") {
    return fail("extendEnv", "it is neither true nor false")
  }
  for (const field of ["cwd", "user"] as const) {
    const value = command[field]
    if (value === undefined) continue
    const problem = value === "" ? "it is empty; leave it out to take the sandbox's own" : stringProblem(value)
    if (problem !== undefined) return fail(field, problem)
  }
  if (command.tty !== undefined && !isTtySize(command.tty)) {
    return fail("tty", "columns and rows have to be whole numbers from 1 to 65,535")
  }
  return Effect.void
}

/** What the command asks of the backend, against what the backend can. */
export const capable = (command: Command, stdin: "none" | "pipe", capabilities: Capabilities): Checked => {
  if (command.tty !== undefined && capabilities.tty === "none") return unsupported("tty")
  if (command.user !== undefined && capabilities.user === "none") return unsupported("user")
  if (stdin === "pipe" && capabilities.stdin === "none") return unsupported("stdin")
  return Effect.void
}

/** A duration that is neither negative nor no number. */
export const duration = (field: string, input: Duration.Input): Checked<Duration.Duration> => {
  // `Duration` takes what is not a number for 0, which would end everything at once.
  const isNaN = typeof input === "object" ? Object.values(input).some(Number.isNaN) : Number.isNaN(input)
  const parsed = isNaN ? Option.none() : Duration.fromInput(input)
  return Option.isSome(parsed) && !Duration.isNegative(parsed.value)
    ? Effect.succeed(parsed.value)
    : fail(field, `it is not a duration; use for example "5 seconds", 500 (milliseconds) or Duration.infinity`)
}

/** Something that bytes can be read from. */
export const stdin = (value: unknown): Checked =>
  value === undefined || typeof value === "string" || value instanceof Uint8Array || Stream.isStream(value)
    ? Effect.void
    : fail("stdin", "it is neither text, nor bytes, nor a stream of bytes")

/** A whole number of characters, one at the least. */
export const lineLength = (value: number): Checked<number> =>
  Number.isSafeInteger(value) && value >= 1
    ? Effect.succeed(value)
    : fail("maxLength", "it is not a whole number of characters, 1 or more")

/** A number of bytes, or `Infinity` for no limit. */
export const byteLimit = (field: string, value: number): Checked<number> =>
  value === Infinity || (Number.isSafeInteger(value) && value >= 0)
    ? Effect.succeed(value)
    : fail(field, "it is not a number of bytes; use a whole number, or Infinity for no limit")

// More than one array buffer holds on some servers, and more than anyone should keep of one process.
const maxRing = 1024 ** 3

/** What a ring can be. */
export const ring = (capacity: number, overflow: Overflow): Checked => {
  if (!Number.isSafeInteger(capacity) || capacity < 1 || capacity > maxRing) {
    return fail("ring", "the capacity must be a whole number of bytes from 1 to 1 GiB (1073741824)")
  }
  return overflow === "evict" || overflow === "block"
    ? Effect.void
    : fail("ring", 'overflow must be "evict" or "block"')
}

/** An identity of the caller's own. */
export const id = (value: unknown): Checked =>
  isProcessId(value)
    ? Effect.void
    : fail("id", "an id has 1 to 128 letters, digits, '.', '_', ':' or '-', and is not made of digits only")

// A tag is shown in lists and typed in terminals.
const tagForm = /^[^\p{Cc}]{1,128}$/u

/** A tag can be told from a pid, and shown. */
export const tag = (value: string): Checked => {
  if (typeof value !== "string" || !tagForm.test(value)) {
    return fail("tag", "a tag has 1 to 128 characters, none of them a control character")
  }
  return /^[0-9]+$/.test(value)
    ? fail("tag", "it is made of digits only and could be taken for a pid; add a letter")
    : Effect.void
}

/** The signal meant by a name or number. */
export const signal = (input: string | number): Checked<Signal.Signal> => {
  const parsed = Signal.parse(input)
  return parsed === undefined
    ? fail("signal", `there is no signal ${String(input)}; use a name such as "SIGTERM" or a Linux number from 1 to 64`)
    : Effect.succeed(parsed)
}

/** The size of a terminal. */
export const ttySize = (size: unknown): Checked =>
  isTtySize(size) ? Effect.void : fail("size", "columns and rows have to be whole numbers from 1 to 65,535")

/** What becomes of the rest of the tree. */
export const lingering = (value: Lingering): Checked<Lingering> =>
  value === "kill" || value === "drain" || value === "await" || value === "leave"
    ? Effect.succeed(value)
    : fail("lingering", `it is none of "kill", "drain", "await" and "leave"`)

/** What `kill` was asked for. */
export const kill = (
  options: KillOptions
): Checked<{
  readonly signal: Signal.Signal
  readonly scope: "process" | "tree"
  readonly grace: Duration.Duration | undefined
}> =>
  Effect.all({
    signal: signal(options.signal ?? "SIGTERM"),
    scope:
      options.scope === undefined || options.scope === "tree" || options.scope === "process"
        ? Effect.succeed(options.scope ?? "tree")
        : fail("scope", `it is neither "tree" nor "process"`),
    grace: options.grace === undefined ? Effect.succeed(undefined) : duration("grace", options.grace)
  })
