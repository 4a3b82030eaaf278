// Nothing outlives its owner: whole trees die by one frame, and every way in which the agent, a supervisor or the client
// can vanish leaves no process behind.
import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import {
  Agent,
  C,
  GROUP,
  PROCESS,
  SIG,
  TREE,
  agentCommand,
  eventually,
  here,
  isAlive,
  marker,
  processesWith,
  startPayload,
  frame
} from "./client.mjs"

let agent, folder
before(() => {
  folder = mkdtempSync(join(tmpdir(), "agent-test-"))
  agent = new Agent()
})
after(async () => {
  assert.deepEqual(await agent.end(), { code: 0, signal: null }, agent.stderr)
  assert.equal(agent.stderr, "")
  rmSync(folder, { recursive: true })
})

// A tree with every way to hide: other session, double fork, no environment, a background loop.
const hiding = (m) => `
  sleep ${m} &
  setsid sleep ${m} &
  (setsid sh -c 'env -i setsid /bin/sleep ${m} & exit' &)
  (env -i /bin/sh -c 'env -i /bin/sleep ${m} & env -i setsid /bin/sleep ${m} &' &)
  trap '' TERM
  echo ready
  while :; do sleep 0.${m}; done`
const hidden = (m) => eventually(() => processesWith(m).length >= 6)

test("KILL on the tree finds setsid, double forks and empty environments, and is answered when it is empty", async () => {
  const m = marker()
  const id = agent.sh(hiding(m))
  await agent.said(id, "ready")
  await hidden(m)
  const answer = await agent.signal(id, SIG.KILL, TREE)
  assert.equal(answer.error, "")
  assert.ok(answer.count >= 5, `count ${answer.count}`)
  assert.deepEqual(processesWith(m), [])
  await agent.fact(id, "CLOSED")
  const kinds = agent.kinds(id)
  assert.ok(kinds.indexOf("EMPTY") < kinds.indexOf("SIGNALED") && kinds.at(-1) === "CLOSED")
})

test("TERM on the tree is one walk; who ignores it lives until KILL", async () => {
  const m = marker()
  const id = agent.sh(hiding(m))
  await agent.said(id, "ready")
  await hidden(m)
  assert.equal((await agent.signal(id, SIG.TERM, TREE)).error, "")
  await agent.ping()
  assert.ok(!agent.kinds(id).includes("EXIT"))
  await agent.signal(id, SIG.KILL, TREE)
  assert.deepEqual(processesWith(m), [])
  await agent.fact(id, "CLOSED")
})

test("process and group are what they say", async () => {
  const m = marker()
  const id = agent.sh(`sleep ${m} & setsid sleep ${m} & echo ready; wait`)
  await agent.said(id, "ready")
  await eventually(() => processesWith(`sleep\0${m}`).length === 2 && processesWith(`setsid\0sleep\0${m}`).length === 0)
  assert.deepEqual(
    [
      (await agent.signal(id, 0, PROCESS)).error,
      (await agent.signal(id, 0, GROUP)).error,
      (await agent.signal(id, 0, TREE)).count
    ],
    ["", "", 3]
  )
  assert.equal((await agent.signal(id, SIG.KILL, PROCESS)).error, "")
  await agent.fact(id, "EXIT")
  assert.equal((await agent.signal(id, SIG.KILL, PROCESS)).error, "ESRCH")
  assert.equal(processesWith(m).length, 2)
  assert.equal((await agent.signal(id, SIG.TERM, GROUP)).count, 1)
  await eventually(() => processesWith(m).length === 1)
  assert.equal((await agent.signal(id, SIG.TERM, GROUP)).error, "ESRCH")
  assert.equal((await agent.signal(id, SIG.KILL, TREE)).count, 1, "ended")
  await agent.fact(id, "CLOSED")
  assert.equal((await agent.signal(id, SIG.KILL, TREE)).error, "ESRCH")
})

test("KILL on an empty tree with unread output succeeds", async () => {
  const id = agent.start({ argv: ["echo", "x"], stdout: 0, auto: false })
  await agent.fact(id, "EMPTY")
  assert.equal((await agent.signal(id, SIG.KILL, TREE)).error, "")
  assert.equal((await agent.signal(id, SIG.TERM, TREE)).error, "ESRCH")
  agent.discard(id)
  assert.equal((await agent.fact(id, "CLOSED")).discardedStdout, 2n)
})

test("a stopped tree dies", async () => {
  const m = marker()
  const id = agent.sh(`sleep ${m} & setsid sleep ${m} & echo ready; wait`)
  await agent.said(id, "ready")
  await eventually(() => processesWith(m).length === 3)
  await agent.signal(id, SIG.STOP, TREE)
  await agent.signal(id, SIG.KILL, TREE)
  assert.deepEqual(processesWith(m), [])
  await agent.fact(id, "CLOSED")
})

// Each process forks its successor and exits: never twice at the same place.
const racer = (m) => `r() { ( r ) & exit 0; }; x=${m}; r`
test("racers that fork and exit while they are killed end", async () => {
  for (let round = 0; round < 5; round++) {
    const m = marker()
    const id = agent.sh(`for i in 1 2 3 4 5 6 7 8; do setsid sh -c '${racer(m)}' & done; echo ready; wait; sleep ${m}`)
    await agent.said(id, "ready")
    assert.equal((await agent.signal(id, SIG.KILL, TREE)).error, "")
    assert.deepEqual(processesWith(m), [])
    await agent.fact(id, "CLOSED")
  }
})

test("a bounded fork bomb ends", async () => {
  const m = marker()
  // It multiplies up to 200 processes of its own, each of which replaces what dies.
  const id = agent.sh(
    `x=${m}; bomb() { while :; do [ $(ps -e -o args | grep -c '[x]=${m}') -lt 200 ] && setsid sh -c 'x=${m}; while :; do sleep 0.01 & sleep 0.02 & wait; done' & sleep 0.005; done; }; bomb & bomb & bomb & echo ready; wait`
  )
  await agent.said(id, "ready")
  await eventually(() => processesWith(m).length > 60)
  assert.equal((await agent.signal(id, SIG.KILL, TREE)).error, "")
  assert.deepEqual(processesWith(m), [])
  await agent.fact(id, "CLOSED")
})

test("the client's end kills everything and then the agent ends", async () => {
  const a = new Agent(),
    m = marker()
  const ids = [a.sh(hiding(m)), a.sh(hiding(m))]
  await Promise.all(ids.map((id) => a.said(id, "ready")))
  await eventually(() => processesWith(m).length >= 12)
  assert.deepEqual(await a.end(), { code: 0, signal: null })
  assert.deepEqual(processesWith(m), [])
})

for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) {
  test(`${signal} to the agent kills everything first`, async () => {
    const a = new Agent(),
      m = marker()
    await a.said(a.sh(hiding(m)), "ready")
    await hidden(m)
    a.child.kill(signal)
    const end = await a.ended
    assert.equal(end.code, { SIGTERM: 143, SIGINT: 130, SIGHUP: 129 }[signal])
    assert.deepEqual(processesWith(m), [])
    assert.equal(a.of(0).at(-1).kind, "ERROR")
  })
}

test("SIGKILL of the agent: the supervisors end everything", async () => {
  for (let i = 0; i < 5; i++) {
    const a = new Agent(),
      m = marker()
    await a.said(a.sh(hiding(m)), "ready")
    await hidden(m)
    const agentPid = (await a.fact(0, "HELLO")).pid
    const supervisors = readFileSync(`/proc/${agentPid}/task/${agentPid}/children`, "utf8").trim().split(" ")
    process.kill(agentPid, "SIGKILL")
    await a.ended
    await eventually(() => processesWith(m).length === 0)
    await eventually(() => supervisors.every((pid) => !isAlive(pid)))
  }
})

test("SIGKILL of the agent while a supervisor is stopped: the kernel wakes it", async () => {
  const a = new Agent(),
    m = marker()
  const id = a.sh(`echo $PPID; sleep ${m} & sleep ${m}`)
  await a.said(id, "\n")
  const supervisor = Number(a.bytes(id).toString())
  const agentPid = (await a.fact(0, "HELLO")).pid
  const isStopped = (pid) => / T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
  process.kill(agentPid, "SIGSTOP") // else it would continue its supervisor
  await eventually(() => isStopped(agentPid))
  process.kill(supervisor, "SIGSTOP")
  await eventually(() => isStopped(supervisor))
  process.kill(agentPid, "SIGKILL")
  await a.ended
  await eventually(() => processesWith(m).length === 0 && !isAlive(supervisor))
})

test("a command that stops its own supervisor is ended all the same", async () => {
  const m = marker()
  const id = agent.sh(`kill -STOP $PPID; echo ready; sleep ${m}`)
  await agent.said(id, "ready")
  assert.equal((await agent.signal(id, SIG.KILL, TREE)).error, "")
  await agent.fact(id, "CLOSED")
  assert.deepEqual(processesWith(m), [])
})

test("a command that kills its own supervisor is told as lost, its tree is killed, CLOSED comes", async () => {
  const m = marker(),
    other = agent.start({ argv: ["cat"], stdin: true })
  const id = agent.sh(`${hiding(m).replace("echo ready", "read go; kill -KILL $PPID; echo survived")}`, { stdin: true })
  await agent.fact(id, "STARTED")
  agent.stdin(id, "go\n")
  const exit = await agent.fact(id, "EXIT")
  assert.deepEqual([exit.how, exit.value, exit.flags & 2], [2, 9, 2])
  await agent.fact(id, "CLOSED")
  assert.deepEqual(processesWith(m), [])
  assert.deepEqual(
    agent
      .kinds(id)
      .filter((k) => k !== "STDOUT" && k !== "STDERR")
      .at(-1),
    "CLOSED"
  )
  agent.stdin(other, "still here")
  agent.eof(other)
  await agent.fact(other, "CLOSED")
  assert.equal(agent.bytes(other).toString(), "still here")
})

test("a signal that the dying supervisor did not answer is answered", async () => {
  const m = marker()
  const id = agent.sh(`echo $PPID; sleep ${m} & sleep ${m}`)
  await agent.said(id, "\n")
  process.kill(Number(agent.bytes(id).toString()), "SIGKILL")
  const answers = await Promise.all([
    agent.signal(id, SIG.KILL, TREE),
    agent.signal(id, SIG.TERM, PROCESS),
    agent.signal(id, SIG.KILL, TREE)
  ])
  assert.ok(["", "ESRCH"].includes(answers[1].error))
  await agent.fact(id, "CLOSED")
  assert.deepEqual(processesWith(m), [])
})

test("other signals to a supervisor do nothing", async () => {
  const id = agent.sh(
    "for s in TERM INT HUP USR1 USR2 PIPE ALRM CHLD; do kill -$s $PPID; done; echo ready; sleep 0.05; exit 5"
  )
  assert.equal((await agent.fact(id, "EXIT")).value, 5)
  await agent.fact(id, "CLOSED")
})

test("SIGKILL of the client while output flows: nothing is left", async () => {
  const script = join(folder, "client.mjs")
  writeFileSync(
    script,
    `
    import { Agent } from ${JSON.stringify(join(here, "client.mjs"))}
    const a = new Agent()
    a.keep = false
    for (let i = 0; i < 4; i++) a.start({ argv: ["/bin/sh", "-c", "setsid sh -c 'yes ${"$"}{M}' & yes ${"$"}{M}".replaceAll("${"$"}{M}", process.argv[2])] })
    const hello = await a.fact(0, "HELLO")
    await a.until(() => [1, 2, 3, 4].every((id) => a.count(id) > 1000000))
    process.stdout.write(hello.pid + "\\n")`
  )
  for (let i = 0; i < 5; i++) {
    const m = marker()
    const client = spawn(process.execPath, [script, m], { stdio: ["ignore", "pipe", "inherit"] })
    const agentPid = await new Promise((resolve) => client.stdout.once("data", (b) => resolve(Number(b))))
    client.kill("SIGKILL")
    await eventually(() => processesWith(m).length === 0 && !isAlive(agentPid))
  }
})

test("a client that reads nothing and goes away is noticed", async () => {
  const m = marker()
  const child = spawn(agentCommand[0], agentCommand.slice(1), { stdio: ["pipe", "pipe", "inherit"] })
  child.stdin.write(frame(C.HELLO, 0, Buffer.from([0x45, 0x58, 0x41, 0x47, 1, 0, 0, 0, 0, 0, 0, 0])))
  for (let id = 1; id < 9; id++)
    child.stdin.write(frame(C.START, id, startPayload({ argv: ["/bin/sh", "-c", `yes ${m}`], stdout: 2 ** 32 - 1 })))
  await eventually(() => processesWith(m).length > 8)
  child.stdin.on("error", () => {})
  // More requests than it may hold answers for: it stops reading them.
  for (let i = 0; i < 100000; i++) child.stdin.write(frame(C.PING, 0, Buffer.alloc(4)))
  child.stdout.destroy()
  child.stdin.destroy()
  await new Promise((resolve) => child.on("close", resolve))
  assert.deepEqual(processesWith(m), [])
})

test("200 interrupted commands leave nothing", async () => {
  const m = marker()
  const ids = Array.from({ length: 200 }, () => agent.sh(`sleep ${m} & setsid sleep ${m} & sleep ${m}`))
  const answers = await Promise.all(ids.map((id) => agent.signal(id, SIG.KILL, TREE)))
  assert.ok(answers.every((a) => a.error === ""))
  await Promise.all(ids.map((id) => agent.fact(id, "CLOSED")))
  assert.deepEqual(processesWith(m), [])
})
