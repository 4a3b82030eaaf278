/**
 * **What** to run: a program with its arguments, environment, directory, user and terminal.
 *
 * A `Command` is a plain value; how to run it (timeout, stdin …) is `ExecOptions`. It is checked when it is run, so that
 * what is wrong with it arrives as an `ExecError` with reason `InvalidCommand`, before anything starts.
 *
 * ```ts
 * import { Command } from "effect-exec"
 *
 * const build = Command.make("make", ["-j4", "all"], { cwd: "/src", env: { CC: "clang" } })
 * const verbose: Command.Command = { ...build, env: { ...build.env, V: "1" } }
 *
 * verbose.argv // => ["make", "-j4", "all"]
 * ```
 */
import * as CommandLine from "effect/process/CommandLine"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type { TtySize } from "./TtySize.ts"

/** What to run. */
export interface Command {
  /** The program and its arguments, passed as they are: no shell reads them. */
  readonly argv: readonly [program: string, ...args: ReadonlyArray<string>]
  /**
   * Added to the environment that the sandbox gives. `undefined` takes a variable away. A `Redacted` value reaches the
   * process and appears in no error, log, span or recording.
   */
  readonly env?: Readonly<Record<string, string | Redacted.Redacted<string> | undefined>>
  /** False: `env` is the whole environment, and the sandbox gives nothing of its own, not even `PATH`. */
  readonly extendEnv?: boolean
  /** Where the program starts; the sandbox decides when it is absent. */
  readonly cwd?: string
  /** A user of the sandbox, by name or number, optionally with a group: `"nobody"`, `"1000:1000"`. */
  readonly user?: string
  /** Gives the program a terminal of this size; its output is then one merged stream, given as stdout. */
  readonly tty?: TtySize
}

/** Everything about a command but its `argv`. */
export interface Options extends Omit<Command, "argv"> {}

/**
 * A program with its arguments. No shell touches them: spaces, quotes, `$` and newlines arrive as they are.
 *
 * ```ts
 * import { Command } from "effect-exec"
 *
 * Command.make("echo", ["$HOME is not expanded"]).argv // => ["echo", "$HOME is not expanded"]
 * ```
 */
export const make = (program: string, args: ReadonlyArray<string> = [], options: Options = {}): Command => ({
  ...options,
  argv: [program, ...args]
})

/** What may stand in a `${}` of the template form of `shell`; an array becomes one word per element. */
export type Interpolation = string | number | ReadonlyArray<string | number>

// A NUL cannot be quoted; it stays in the script and is refused with it when the command is run.
const quote = (word: string | number): string => Result.getOrElse(CommandLine.quote(String(word)), () => String(word))

const script = (template: TemplateStringsArray, values: ReadonlyArray<Interpolation>): string =>
  template.raw.reduce((text, part, index) => {
    const value = values[index - 1]!
    return text + (typeof value === "object" ? value.map(quote).join(" ") : quote(value)) + part
  })

/**
 * A script for `/bin/sh -c`. As a template, every interpolation is quoted, so that it is one word whatever it holds.
 *
 * Backslashes in the template are the shell's, not JavaScript's. Secrets belong into `env`: arguments are visible to
 * every user of the sandbox.
 *
 * ```ts
 * import { Command } from "effect-exec"
 *
 * Command.shell("ls | wc -l").argv // => ["/bin/sh", "-c", "ls | wc -l"]
 * Command.shell`cat ${"my notes.txt"} | wc -l`.argv[2] // => "cat 'my notes.txt' | wc -l"
 * ```
 */
export function shell(script: string, options?: Options): Command
export function shell(template: TemplateStringsArray, ...values: ReadonlyArray<Interpolation>): Command
export function shell(
  source: string | TemplateStringsArray,
  ...rest: ReadonlyArray<Interpolation | Options | undefined>
): Command {
  return typeof source === "string"
    ? make("/bin/sh", ["-c", source], rest[0] as Options | undefined)
    : make("/bin/sh", ["-c", script(source, rest as ReadonlyArray<Interpolation>)])
}

/** Python source for `python3 -c`. */
export const python = (code: string, options?: Options): Command => make("python3", ["-c", code], options)

/** The whole environment of a command in a sandbox that gives `base`. For those who start it. */
export const environment = (
  { env = {}, extendEnv = true }: Command,
  base: Readonly<Record<string, string>>
): Record<string, string> => {
  // Without a prototype: `__proto__` is a name like any other.
  const all: Record<string, string> = Object.assign(Object.create(null), extendEnv ? base : undefined)
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) delete all[name]
    else all[name] = Redacted.isRedacted(value) ? Redacted.value(value) : value
  }
  return all
}
