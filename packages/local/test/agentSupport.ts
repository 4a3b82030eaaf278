/** What the tests of the variant with an agent share. */
import { spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import { Command } from "effect-exec"
import * as Procfs from "../src/internal/procfs.ts"
import { alive } from "./support.ts"

let markers = 0

/** A number of seconds that nobody else sleeps: found again in `/proc`, where an empty environment has no marks. */
export const marker = (): string => String(987_000_000 + (process.pid % 10_000) * 1000 + markers++)

/** Those alive who have the marker among their arguments. */
export const marked = (text: string): ReadonlyArray<number> =>
  Fs.readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(
      (pid) => pid !== process.pid && alive(pid) && Procfs.readText(`/proc/${pid}/cmdline`)?.includes(text) === true
    )

/** The agents that this process has started and that live. */
export const agents = (parent = process.pid): ReadonlyArray<number> =>
  Fs.readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => Procfs.read(pid)?.ppid === parent && alive(pid))
    .filter((pid) => Procfs.readText(`/proc/${pid}/cmdline`)?.includes("agent-linux-") === true)

/**
 * A tree of four: the leader, its child, a grandchild in a session of its own whose parent has ended, and one more with
 * an empty environment. Says READY when all are there.
 */
export const tree = (mark: string): Command.Command =>
  Command.make("/bin/sh", [
    "-c",
    // The mark is an argument of the shell too, so that all members have it.
    `sleep ${mark} & (setsid sleep ${mark} &) ; (env -i setsid sh -c 'sleep ${mark} & exec sleep ${mark}' &) ; echo READY; wait`
  ])

/** Runs a fixture with a Node of its own. */
export const node = (fixture: string, ...args: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child = spawn(process.execPath, [new URL(`fixtures/${fixture}`, import.meta.url).pathname, ...args], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      let output = ""
      child.stdout.on("data", (bytes: Buffer) => (output += bytes.toString()))
      const exited = new Promise<number | null>((resolve) => child.once("close", resolve))
      return {
        pid: child.pid!,
        output: () => output,
        exited: Effect.promise(() => exited),
        kill: () => child.kill("SIGKILL")
      }
    }),
    ({ kill }) => Effect.sync(kill)
  )
