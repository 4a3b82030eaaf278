// What is left when an agent is killed together with its supervisors is found by its environment.
import assert from "node:assert/strict"
import { execFile, spawn } from "node:child_process"
import { test } from "node:test"
import { promisify } from "node:util"
import { Agent, agentCommand, eventually, marker, processesWith } from "./client.mjs"

const sweep = (entry) => promisify(execFile)(agentCommand[0], [...agentCommand.slice(1), "--sweep", entry], { env: {} })

const start = (script, env, options = {}) => {
  const child = spawn("/bin/sh", ["-c", script], {
    stdio: "ignore",
    detached: true,
    env: { PATH: process.env.PATH, ...env },
    ...options
  })
  child.unref()
  return child
}
const sleepers = (m) => processesWith(`sleep\0${m}`)
const root = { skip: process.getuid() === 0 ? false : "needs root" }

test("all with the mark die, whatever they are, and nobody else", async () => {
  const m = marker(),
    mark = `swept-${m}`
  start(`setsid sleep ${m} & (sleep ${m} &) ; sleep ${m}`, { A: "x".repeat(10_000), MARK: mark, Z: "y".repeat(5000) })
  const others = [{ MARK: `${mark}0` }, { MARK: mark.slice(0, -1) }, { XMARK: mark }, { X: `MARK=${mark}` }].map(
    (env) => start(`exec sleep ${m}`, env)
  )
  await eventually(() => sleepers(m).length === 3 + others.length)
  await sweep(`MARK=${mark}`)
  assert.deepEqual(sleepers(m).map(Number).toSorted(), others.map(({ pid }) => pid).toSorted())
  for (const { pid } of others) process.kill(pid, "SIGKILL")
})

test("those that fork meanwhile die too, and so do those of other users", root, async () => {
  const m = marker()
  const racer = `f() { for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.0$i; sleep ${m} & done; f & exec sleep ${m}; }; f & f & f`
  for (const id of [0, 1234, 65534]) start(racer, { MARK: m }, { uid: id, gid: id })
  await eventually(() => sleepers(m).length > 30)
  await sweep(`MARK=${m}`)
  assert.deepEqual(processesWith(m), [])
})

test("an agent that was stopped dies first, so that its supervisors end what hides from a sweep", async () => {
  const m = marker()
  const a = new Agent({ env: { PATH: process.env.PATH, MARK: m } })
  const id = a.start({
    argv: ["sh", "-c", `env -i setsid sleep ${m} & sleep ${m}`],
    env: [`PATH=${process.env.PATH}`, `MARK=${m}`]
  })
  await a.fact(id, "STARTED")
  await eventually(() => sleepers(m).length === 2)
  process.kill(a.pid, "SIGSTOP")
  await sweep(`MARK=${m}`)
  assert.deepEqual(sleepers(m), [])
  assert.equal((await a.ended).signal, "SIGKILL")
})
