/** The program as its users have it: started, in a terminal or without one, and looked at from outside. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Command, Exec, type ExecOptions, ExecResult, type Process } from "effect-exec"
import { JsonEvent } from "../src/jsonEvent.ts"

/** The program. */
export const program = Path.join(import.meta.dirname, "..", "dist", "bin.js")

/** Found first where the program looks for Node. */
export const path = `${Path.dirname(process.execPath)}:${process.env["PATH"]}`

/** How a test starts it. */
export interface Options extends Pick<Command.Command, "env" | "tty" | "cwd">, Pick<ExecOptions.ExecOptions, "stdin"> {}

// Nothing of the machine's own configuration.
const command = (args: ReadonlyArray<string>, { env, ...options }: Options): Command.Command => ({
  ...options,
  argv: [program, ...args],
  env: { PATH: path, XDG_CONFIG_HOME: "/nonexistent", ...env }
})

/** Runs it to its end. */
export const run = (args: ReadonlyArray<string>, options: Options = {}) =>
  Exec.run(command(args, options), { stdin: options.stdin, timeout: "30 seconds", maxOutput: Infinity })

/** Runs it, with its output and exit code as texts. */
export const texts = (args: ReadonlyArray<string>, options?: Options) =>
  Effect.map(run(args, options), ({ exitCode, stderr, stdout }) => ({ exitCode, stderr, stdout }))

/** Starts it, with an input that stays open. */
export const start = (args: ReadonlyArray<string>, options: Omit<Options, "stdin"> = {}) =>
  Exec.spawn(command(args, options), { stdin: "open", timeout: "30 seconds" })

/** Reads its output until that has a text, and gives all that came. What comes later is still to be read. */
export const readUntil = (child: Process.Process, text: string) =>
  child.events.pipe(
    Exec.text(),
    Stream.scan(
      () => "",
      (all, more) => all + more
    ),
    Stream.takeUntil((all) => all.includes(text)),
    Stream.runLast,
    Effect.flatMap(Effect.fromOption),
    Effect.tap((all) => Effect.sync(() => assert.include(all, text)))
  )

/** Reads on to its end. */
export const finish = (child: Process.Process) =>
  child.events.pipe(
    (rest) => Stream.concat(Stream.make({ _tag: "Started" as const, id: child.id, pid: child.pid }), rest),
    Stream.run(ExecResult.collect)
  )

/** The events that it printed, each of the documented form. */
export const events = (text: string): ReadonlyArray<JsonEvent> => {
  const lines = text.split("\n")
  assert.strictEqual(lines.pop(), "")
  return lines.map((line) => Schema.decodeUnknownSync(JsonEvent, { onExcessProperty: "error" })(JSON.parse(line)))
}

let marks = 0

/** A variable that nobody else has, by which processes are found again. */
export const mark = (): string => `CLI_TEST_MARK=${process.pid}-${marks++}-${Date.now()}`

/** The processes that have it, but for those that are dead. */
export const survivors = (mark: string): ReadonlyArray<string> =>
  Fs.readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && Fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").includes(mark)
    } catch {
      return false
    }
  })

/** Waits for a fact, which has to come. */
export const eventually = <E, R>(what: string, fact: Effect.Effect<boolean, E, R>) =>
  Effect.gen(function* () {
    for (const end = Date.now() + 10_000; !(yield* fact);) {
      if (Date.now() > end) assert.fail(`still not true: ${what}`)
      yield* Effect.sleep(20)
    }
  })

/** Waits until none is left. */
export const noSurvivors = (mark: string) =>
  eventually(
    `no process with ${mark} is left`,
    Effect.sync(() => survivors(mark).length === 0)
  )

/** A directory for a test. */
export const directory = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-exec-cli-"))),
  (path) => Effect.sync(() => Fs.rmSync(path, { recursive: true, force: true }))
)
