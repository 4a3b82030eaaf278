/** A terminal that people use, with a program in it: keys go in, and what is on the screen is looked at. */
import { execFile, execFileSync } from "node:child_process"
import { promisify } from "node:util"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"

const has = (): boolean => {
  try {
    execFileSync("tmux", ["-V"], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** Whether the tests can run. Where they have to, their absence is a failure. */
export const available = has()

if (!available && (process.env["CI"] ?? "") !== "")
  throw new Error("There is no tmux, and CI is set: .ci/run installs it")

let count = 0

/** Opens a terminal of 80 by 24 with a shell that says `$ `; it is gone with the scope. */
export const open = (env: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const server = `effect-exec-test-${process.pid}-${count++}`
    const tmux = (...args: ReadonlyArray<string>) =>
      Effect.promise(async () => (await promisify(execFile)("tmux", ["-L", server, "-f", "/dev/null", ...args])).stdout)
    const variables = Object.entries({ ...env, PS1: "$ " }).flatMap(([name, value]) => ["-e", `${name}=${value}`])
    yield* Effect.acquireRelease(
      tmux("new-session", "-d", "-x", "80", "-y", "24", ...variables, "bash", "--norc", "--noprofile"),
      () => Effect.ignoreCause(tmux("kill-server"))
    )
    const screen = tmux("capture-pane", "-p")
    const terminal = {
      /** What is on the screen. */
      screen,
      /** Types keys, by the names that tmux gives them. */
      keys: (...keys: ReadonlyArray<string>) => tmux("send-keys", ...keys),
      /** Types a line. */
      line: (text: string) => Effect.andThen(tmux("send-keys", "-l", text), tmux("send-keys", "Enter")),
      /** Closes the window. */
      close: tmux("kill-server"),
      resize: (columns: number, rows: number) => tmux("resize-window", "-x", String(columns), "-y", String(rows)),
      /** Waits until the screen shows it. */
      shows: (what: RegExp) =>
        Effect.gen(function* () {
          for (const end = Date.now() + 15_000; ;) {
            const now = yield* screen
            if (what.test(now)) return now
            if (Date.now() > end) assert.match(now, what)
            yield* Effect.sleep(50)
          }
        })
    }
    yield* terminal.shows(/^\$$/m)
    return terminal
  })
