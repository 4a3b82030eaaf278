// Where an agent has to live: as PID 1 of a container, under a read-only root without anything else in it, as any user, without /proc.
import assert from "node:assert/strict"
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, chmodSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { Agent, SIG, TREE, eventually, here, marker, processesWith } from "./client.mjs"

const program = process.env.AGENT ?? join(here, "../../bin/agent-linux-x64")
const options = {
  skip:
    process.getuid() === 0 && !program.includes(" ") && !program.includes("sanitized")
      ? false
      : "needs root and the static program"
}
let folder
before(() => {
  folder = mkdtempSync(join(tmpdir(), "agent-places-"))
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, "root"))
  copyFileSync(program, join(folder, "root", "agent"))
  chmodSync(join(folder, "root", "agent"), 0o755)
})
after(() => rmSync(folder, { recursive: true }))

test("as PID 1: reaps orphans, listens to TERM, kills trees", options, async () => {
  const a = new Agent({ command: ["unshare", "--pid", "--fork", "--mount-proc", program] }),
    m = marker()
  assert.equal((await a.fact(0, "HELLO")).pid, 1)
  assert.equal((await a.run(["echo", "hi"])).stdout, "hi\n")
  const id = a.sh(`setsid sh -c 'env -i setsid /bin/sleep ${m} & exit' & echo ready; wait; sleep ${m}`)
  await a.said(id, "ready")
  await eventually(() => processesWith(`/bin/sleep\0${m}`).length === 1)
  assert.equal((await a.signal(id, SIG.KILL, TREE)).error, "")
  assert.deepEqual(processesWith(m), [])
  assert.equal((await a.run(["/bin/sh", "-c", "ps -e -o stat | grep -c Z"])).stdout, "0\n")
  const left = a.sh(`read go; kill -KILL $PPID; sleep ${m} & sleep ${m}`, { stdin: true })
  await a.fact(left, "STARTED")
  a.stdin(left, "go\n")
  assert.equal((await a.fact(left, "EXIT")).flags & 2, 2)
  await a.fact(left, "CLOSED")
  assert.deepEqual(processesWith(m), [])
  a.sh(`sleep ${m}`)
  await eventually(() => processesWith(`sleep\0${m}`).length === 1)
  a.start(["/bin/kill", "-TERM", "1"])
  assert.equal((await a.ended).code, 143)
  await eventually(() => processesWith(m).length === 0)
})

test("in a root that is read-only and holds nothing but the agent: no /proc, /dev, /etc, shell", options, async () => {
  const script = `mount --bind ${folder}/root ${folder}/root && mount -o remount,ro,bind ${folder}/root && exec chroot ${folder}/root /agent`
  const a = new Agent({ command: ["unshare", "--mount", "/bin/sh", "-c", script] })
  const hello = await a.fact(0, "HELLO")
  assert.equal(hello.features & (4 | 8 | 32), 0, "no /proc, no handover, no terminal")
  assert.equal((await a.run({ argv: ["/agent", "--version"] })).stdout, `${hello.build}\n`)
  assert.equal(
    (await a.run({ argv: ["agent", "--version"], env: ["PATH=/"], user: "1234:5" })).stdout,
    `${hello.build}\n`
  )
  assert.equal((await a.run({ argv: ["/bin/sh"] })).failed.error, "ENOENT")
  assert.equal((await a.run({ argv: ["/agent"], user: "nobody" })).failed.stage, 4)
  assert.equal((await a.run({ argv: ["/agent"], tty: { columns: 80, rows: 24 } })).failed.stage, 3)
  // An agent inside, as something that runs until it is killed.
  const id = a.start({ argv: ["/agent"], stdin: true })
  await a.said(id, "EXAG")
  assert.equal((await a.signal(id, SIG.KILL, TREE)).error, "")
  await a.fact(id, "CLOSED")
  assert.deepEqual(await a.end(), { code: 0, signal: null })
})

test("as a user without rights", options, async () => {
  const a = new Agent({
      command: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", join(folder, "root", "agent")]
    }),
    m = marker()
  const hello = await a.fact(0, "HELLO")
  assert.deepEqual([hello.uid, hello.features & 64], [65534, 0])
  assert.equal((await a.run(["id", "-u"])).stdout, "65534\n")
  assert.equal((await a.run({ argv: ["id", "-u"], user: "65534" })).stdout, "65534\n")
  const denied = await a.run({ argv: ["id"], user: "root" })
  assert.deepEqual([denied.failed.stage, denied.failed.error], [4, "EPERM"])
  assert.equal(
    (await a.run({ argv: ["/bin/sh", "-c", "test -t 0 && echo yes"], tty: { columns: 80, rows: 24 } })).stdout,
    "yes\r\n"
  )
  const id = a.sh(`setsid sh -c 'env -i setsid /bin/sleep ${m} & exit' & echo ready; wait; sleep ${m}`)
  await a.said(id, "ready")
  await eventually(() => processesWith(`/bin/sleep\0${m}`).length === 1)
  assert.equal((await a.signal(id, SIG.KILL, TREE)).error, "")
  assert.deepEqual(processesWith(m), [])
  await a.end()
})

test("few descriptors: the start fails, nothing else does", options, async () => {
  const a = new Agent({ command: ["prlimit", "--nofile=64:64", program] })
  const ids = Array.from({ length: 40 }, () => a.start({ argv: ["sleep", "1000"], auto: false }))
  const first = await Promise.all(ids.map((id) => a.until(() => a.of(id)[0])))
  const failed = first.filter((f) => f.kind === "FAILED")
  assert.ok(failed.length > 0 && failed.every((f) => f.stage === 1 && f.error === "EMFILE"), JSON.stringify(failed[0]))
  await Promise.all(ids.filter((_, i) => first[i].kind === "STARTED").map((id) => a.signal(id, SIG.KILL, TREE)))
  await Promise.all(ids.map((id) => a.fact(id, "CLOSED")))
  assert.equal((await a.run(["/bin/sh", "-c", "ulimit -n"])).stdout, "64\n")
  assert.deepEqual(await a.end(), { code: 0, signal: null })
})
