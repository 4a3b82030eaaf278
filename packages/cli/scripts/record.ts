/**
 * Records what the README shows: a real session of two terminals, rendered as an animated SVG. Needs tmux and a build.
 *
 *   pnpm --filter @effect-exec/cli record
 */
import { execFileSync } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { type Frame, render } from "./svg.ts"

const root = join(import.meta.dirname, "..")
const columns = 88
const serverRows = 14
const clientRows = 16

const work = Fs.mkdtempSync(join(Os.tmpdir(), "recording-"))
Fs.symlinkSync(join(root, "dist", "bin.js"), join(work, "effect-exec"))
const env = {
  PATH: `${work}:${process.env["PATH"]}`,
  HOME: work,
  PS1: "$ ",
  TERM: "tmux-256color",
  LANG: "C.UTF-8",
  HISTFILE: ""
}
const tmux = (...args: ReadonlyArray<string>): string =>
  execFileSync("tmux", ["-L", `record-${process.pid}`, "-f", "/dev/null", ...args], { env, encoding: "utf8" })

const open = (name: string, rows: number) => {
  const size = ["-x", String(columns), "-y", String(rows)]
  tmux("new-session", "-d", "-s", name, ...size, "bash", "--norc", "--noprofile")
}

const start = Date.now()
// What a slow machine took for typing, which nobody wants to watch.
let skipped = 0
const frames: Array<Frame> = []
const capture = () => {
  const screen = (name: string, rows: number) => tmux("capture-pane", "-p", "-e", "-t", name).split("\n").slice(0, rows)
  // Never back in time, and never twice at one.
  const at = Math.max((frames.at(-1)?.at ?? -1) + 1, Date.now() - start - skipped)
  frames.push({ at, lines: [...screen("server", serverRows), ...screen("client", clientRows)] })
}

/** Lets time pass, and looks on. */
const watch = async (millis: number) => {
  for (const end = Date.now() + millis; Date.now() < end;) {
    capture()
    await sleep(80)
  }
}

const until = async (name: string, what: RegExp) => {
  for (const end = Date.now() + 20_000; !what.test(tmux("capture-pane", "-p", "-t", name));) {
    if (Date.now() > end) throw new Error(`${what} is not shown:\n${tmux("capture-pane", "-p", "-t", name)}`)
    await watch(80)
  }
}

const keyMillis = 45

const type = async (name: string, text: string) => {
  for (const key of text) {
    const began = Date.now()
    // A semicolon is the end of a command to tmux.
    tmux("send-keys", "-t", name, "-l", key === ";" ? "\\;" : key)
    capture()
    skipped += Math.max(0, Date.now() - began - keyMillis)
  }
  await watch(300)
  tmux("send-keys", "-t", name, "Enter")
}

try {
  open("server", serverRows)
  open("client", clientRows)
  await until("client", /^\$/m)
  await type("server", "effect-exec serve")
  await until("server", /Ctrl-C here ends/)
  await watch(1500)
  const exports = tmux("capture-pane", "-p", "-J", "-t", "server").match(/export \S+/g) ?? []
  // As one pastes what one has read.
  for (const line of exports) tmux("send-keys", "-t", "client", line, "Enter")
  await watch(1000)
  await type("client", "effect-exec detach --tag clock -- sh -c 'while :; do date; sleep 1; done'")
  await until("client", /clock runs with pid/)
  await watch(1000)
  await type("client", "effect-exec ps")
  await until("client", /TAG .*\nclock .*\n\$/)
  await watch(1500)
  await type("client", "effect-exec attach clock")
  await watch(4000)
  tmux("send-keys", "-t", "client", "C-c")
  await until("client", /lives on/)
  await watch(1200)
  await type("client", "effect-exec kill clock; effect-exec wait clock; echo $?")
  await until("client", /^143$/m)
  await watch(3000)
} finally {
  tmux("kill-server")
  Fs.rmSync(work, { recursive: true, force: true, maxRetries: 5 })
}

const titles = [
  { row: 0, title: "one terminal" },
  { row: serverRows, title: "another one" }
]
Fs.writeFileSync(join(root, "recording.svg"), render(frames, { columns, titles }))
