// What PROTOCOL.md promises about starting commands, their input, output and ends.
import assert from "node:assert/strict"
import { createHash, randomBytes } from "node:crypto"
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { Agent, C, SIG, TREE } from "./client.mjs"

const isRoot = process.getuid() === 0
let agent, folder
// qemu's user emulation refuses PR_SET_CHILD_SUBREAPER (EINVAL), so that a tree ends with the process that began it, and
// copies the memory of vfork; what needs them is not tested under it.
const emulated = /qemu/.test(process.env.AGENT ?? "")
before(() => {
  folder = mkdtempSync(join(tmpdir(), "agent-test-"))
  agent = new Agent()
})
after(async () => {
  assert.deepEqual(await agent.end(), { code: 0, signal: null }, agent.stderr)
  assert.equal(agent.stderr, "")
  rmSync(folder, { recursive: true })
})

test("HELLO names the agent, its version and its features", async () => {
  const hello = await agent.fact(0, "HELLO")
  assert.equal(hello.magic, "EXAG")
  assert.equal(hello.versionMin, 1)
  assert.equal(hello.maxPayload, 65536)
  if (!emulated) assert.equal(hello.features & 2, 2, "subreaper")
})

test("PING is answered", () => agent.ping())

test("argv and env arrive exactly", async () => {
  const odd = ["a b", "$HOME", "'\"\\", "line\nline", "ü€😀", ""]
  const r = await agent.run({ argv: ["/usr/bin/printf", "%s|", ...odd] })
  assert.equal(r.stdout, odd.join("|") + "|")
  const e = await agent.run({ argv: ["/usr/bin/env"], env: ["A=1", "B=x y", "C="] })
  assert.equal(e.stdout, "A=1\nB=x y\nC=\n")
})

test("the program is searched in the command's own PATH", async () => {
  writeFileSync(join(folder, "mine"), "#!/bin/sh\necho mine\n", { mode: 0o755 })
  assert.equal((await agent.run({ argv: ["mine"], env: [`PATH=/nowhere:${folder}`] })).stdout, "mine\n")
  assert.equal((await agent.run({ argv: ["mine"], env: ["PATH=/usr/bin:/bin"] })).failed.error, "ENOENT")
  assert.equal((await agent.run({ argv: ["./mine"], cwd: folder })).stdout, "mine\n")
  assert.equal((await agent.run({ argv: ["mine"], cwd: folder, env: ["PATH=:/bin"] })).stdout, "mine\n")
  assert.equal((await agent.run({ argv: ["true"], env: [] })).exit.value, 0)
})

test("a failed start says at which stage and why, then CLOSED", async () => {
  writeFileSync(join(folder, "not-executable"), "#!/bin/sh\n", { mode: 0o644 })
  writeFileSync(join(folder, "no-format"), "echo hi\n", { mode: 0o755 })
  writeFileSync(join(folder, "no-interpreter"), "#!/does/not/exist\n", { mode: 0o755 })
  const cases = [
    [{ argv: ["/nope"] }, 6, "ENOENT"],
    [{ argv: ["nope-nope"] }, 6, "ENOENT"],
    [{ argv: [join(folder, "not-executable")] }, 6, "EACCES"],
    [{ argv: ["not-executable"], env: [`PATH=${folder}:/bin`] }, 6, "EACCES"],
    [{ argv: [folder] }, 6, "EACCES"],
    [{ argv: [join(folder, "no-format")] }, 6, "ENOEXEC"],
    [{ argv: ["no-format"], env: [`PATH=${folder}`] }, 6, "ENOEXEC"],
    [{ argv: [join(folder, "no-interpreter")] }, 6, "ENOENT"],
    [{ argv: [join(folder, "mine", "x")] }, 6, "ENOTDIR"],
    [{ argv: ["true", "x".repeat(200000)] }, 6, "E2BIG"],
    [{ argv: ["true"], cwd: "/nope" }, 5, "ENOENT"],
    [{ argv: ["true"], cwd: join(folder, "mine") }, 5, "ENOTDIR"],
    [{ argv: ["true"], user: "no-such-user" }, 4, "ENOENT"],
    [{ argv: ["true"], user: "root:no-such-group" }, 4, "ENOENT"],
    [{ argv: ["true"], limits: [{ resource: 7, soft: 10, hard: 5 }] }, 2, "EINVAL"]
  ]
  for (const [options, stage, error] of cases) {
    const r = await agent.run(options)
    assert.deepEqual([r.failed?.stage, r.failed?.error], [stage, error], JSON.stringify(options).slice(0, 200))
    assert.deepEqual(r.kinds, ["FAILED", "CLOSED"])
  }
})

test("a large environment arrives (a START beyond one datagram)", async () => {
  const env = Array.from({ length: 20 }, (_, i) => `V${i}=${"x".repeat(50000)}`)
  const r = await agent.run({ argv: ["/usr/bin/env"], env })
  assert.equal(r.stdout, env.join("\n") + "\n")
})

test("exit code, signal and core are told apart", async () => {
  const exit = async (script) => {
    const { how, value, flags } = (await agent.run(["/bin/sh", "-c", script])).exit
    return [how, value, flags & 2]
  }
  assert.deepEqual(await exit("exit 0"), [1, 0, 0])
  assert.deepEqual(await exit("exit 137"), [1, 137, 0])
  assert.deepEqual(await exit("kill -9 $$"), [2, 9, 0])
  assert.deepEqual(await exit("kill -TERM $$"), [2, 15, 0])
})

test("a command sees no descriptor but 0, 1, 2, clean signals, its own session", async () => {
  const busy = agent.start({ argv: ["cat"], stdin: true })
  const r = await agent.run([
    "/bin/sh",
    "-c",
    "ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status; cut -d' ' -f6 /proc/$$/stat; echo $$; ulimit -n"
  ])
  const lines = r.stdout.trim().split("\n")
  assert.deepEqual(lines.slice(0, 4), ["0", "1", "2", "3"]) // 3 is the folder that ls itself reads
  assert.match(r.stdout, /SigBlk:\s+0+\nSigIgn:\s+0+\n/)
  assert.equal(lines.at(-3), lines.at(-2), "session leader")
  agent.eof(busy)
  await agent.fact(busy, "CLOSED")
})

test("stdin: at its end by default, exact, half-closed", async () => {
  assert.equal((await agent.run(["cat"])).stdout, "")
  const id = agent.start({ argv: ["cat"], stdin: true })
  agent.stdin(id, "hello ")
  agent.stdin(id, "world")
  agent.eof(id)
  await agent.fact(id, "CLOSED")
  assert.equal(agent.bytes(id).toString(), "hello world")
})

test("stdin that its process closes early", async () => {
  const early = agent.start({ argv: ["/bin/sh", "-c", "exec 0<&-; echo closed; sleep 1000"], stdin: true })
  await agent.fact(early, "STDIN_CLOSED")
  agent.stdin(early, "late bytes are dropped")
  await agent.signal(early, SIG.KILL, TREE)
  await agent.fact(early, "CLOSED")
  assert.ok(!agent.kinds(early).includes("REFUSED"))
})

test("64 MiB through cat keep their hash, with credit in both directions", async () => {
  const total = 64 << 20,
    block = randomBytes(65536)
  const expected = createHash("sha256"),
    actual = createHash("sha256")
  agent.keep = false
  const id = agent.start({ argv: ["cat"], stdin: true, stdout: 262144, auto: false })
  agent.autoCredit.add(id)
  let sent = 0,
    window = 131072,
    seen = 0
  agent.onData = (f) => {
    if (f.command === id) actual.update(f.bytes)
  }
  while (sent < total) {
    if (window < block.length) {
      await agent.until(() => agent.of(id).filter((f) => f.kind === "STDIN_CREDIT").length > seen)
      const credits = agent.of(id).filter((f) => f.kind === "STDIN_CREDIT")
      for (; seen < credits.length; seen++) window += credits[seen].bytes
      continue
    }
    expected.update(block)
    agent.stdin(id, block)
    sent += block.length
    window -= block.length
  }
  agent.eof(id)
  await agent.fact(id, "CLOSED")
  agent.keep = true
  agent.onData = undefined
  assert.equal(agent.count(id), total)
  assert.equal(actual.digest("hex"), expected.digest("hex"))
})

test("stdin beyond the window is refused and ends the stream: never a hole", async () => {
  const id = agent.start({
    argv: ["/bin/sh", "-c", `while ! test -e ${folder}/go; do sleep 0.01; done; wc -c`],
    stdin: true
  })
  for (let i = 0; i < 6; i++) agent.stdin(id, Buffer.alloc(65536))
  const refused = await agent.fact(id, "REFUSED")
  assert.deepEqual([refused.refused, refused.code], [C.STDIN, 6])
  writeFileSync(join(folder, "go"), "")
  await agent.fact(id, "CLOSED")
  assert.equal(Number(agent.bytes(id).toString()) % 65536, 0)
})

test("stdin after its end, and to a command without it, is refused", async () => {
  const id = agent.start({ argv: ["sleep", "1000"], stdin: true })
  agent.eof(id)
  agent.stdin(id, "x")
  assert.equal((await agent.fact(id, "REFUSED")).code, 8)
  const none = agent.start(["sleep", "1000"])
  agent.stdin(none, "x")
  assert.equal((await agent.fact(none, "REFUSED")).code, 7)
  await Promise.all([agent.signal(id, SIG.KILL, TREE), agent.signal(none, SIG.KILL, TREE)])
  await Promise.all([agent.fact(id, "CLOSED"), agent.fact(none, "CLOSED")])
})

test("without credit nothing is sent, the process waits, and EXIT and EMPTY still come", async () => {
  const id = agent.start({ argv: ["/bin/sh", "-c", "echo 12345; exit 3"], stdout: 0, stderr: 0, auto: false })
  assert.equal((await agent.fact(id, "EXIT")).value, 3)
  await agent.fact(id, "EMPTY")
  await agent.ping()
  assert.ok(!agent.kinds(id).includes("DRAINED"))
  agent.credit(id, 1, 2)
  await agent.said(id, "12")
  assert.equal(agent.bytes(id).toString(), "12")
  agent.credit(id, 1, 100)
  await agent.fact(id, "CLOSED")
  assert.equal(agent.bytes(id).toString(), "12345\n")
  assert.ok(agent.kinds(id).indexOf("DRAINED") > agent.kinds(id).lastIndexOf("STDOUT"))
})

test("a quiet command without credit is closed all the same", async () => {
  const id = agent.start({ argv: ["true"], stdout: 0, stderr: 0, auto: false })
  await agent.fact(id, "CLOSED")
})

test("one stalled reader among 100 does not disturb the other 99", async () => {
  const stalled = agent.start({ argv: ["yes"], stdout: 1000, auto: false })
  await agent.until(() => agent.count(stalled) === 1000)
  const others = await Promise.all(
    Array.from({ length: 99 }, (_, i) => agent.run(["/bin/sh", "-c", `head -c 200000 /dev/zero; echo ${i}`]))
  )
  others.forEach((r, i) => assert.equal(r.stdout.slice(200000), `${i}\n`))
  assert.equal(agent.count(stalled), 1000)
  agent.credit(stalled, 1, 5)
  await agent.until(() => agent.count(stalled) === 1005)
  await agent.signal(stalled, SIG.KILL, TREE)
  agent.discard(stalled)
  const closed = await agent.fact(stalled, "CLOSED")
  assert.ok(closed.discardedStdout > 0n)
})

test("DISCARD lets a process that writes without end go on, and counts", async () => {
  const id = agent.start({ argv: ["/bin/sh", "-c", "head -c 10000000 /dev/zero; echo done >&2"], stdout: 10 })
  agent.discard(id, 2)
  const closed = await agent.fact(id, "CLOSED")
  assert.equal(agent.bytes(id, 2).toString(), "done\n")
  assert.equal(Number(closed.discardedStdout) + agent.count(id), 10000000)
})

test("CLOSE_OUTPUT makes the next write fail", async () => {
  const id = agent.start({ argv: ["yes"], stdout: 100, auto: false })
  await agent.until(() => agent.count(id) === 100)
  agent.closeOutput(id)
  const exit = await agent.fact(id, "EXIT")
  assert.deepEqual([exit.how, exit.value], [2, 13])
  await agent.fact(id, "CLOSED")
})

test("the order of stdout and stderr is kept when it can be seen", async () => {
  const r = agent.start([
    "/bin/sh",
    "-c",
    "for i in 1 2 3 4 5; do echo o$i; sleep 0.02; echo e$i >&2; sleep 0.02; done"
  ])
  await agent.fact(r, "CLOSED")
  assert.deepEqual(
    agent.kinds(r).filter((k) => k.startsWith("STD")),
    Array(5).fill(["STDOUT", "STDERR"]).flat()
  )
})

test(
  "EXIT is not the end: a child keeps the pipe; DRAINED says that the process's own bytes are in",
  { skip: emulated },
  async () => {
    const id = agent.start(["/bin/sh", "-c", "sleep 1000 & echo hi"])
    await agent.fact(id, "DRAINED")
    assert.equal(agent.bytes(id).toString(), "hi\n")
    assert.ok(!agent.kinds(id).includes("EMPTY"))
    agent.closeOutput(id)
    await agent.ping()
    assert.ok(!agent.kinds(id).includes("CLOSED"), "it may live on with its pipes closed")
    assert.equal((await agent.signal(id, SIG.KILL, TREE)).error, "")
    await agent.fact(id, "CLOSED")
    assert.deepEqual(agent.kinds(id).slice(-1), ["CLOSED"])
  }
)

test("OUTPUT_ENDED says that nobody holds the pipes, though a child lives", { skip: emulated }, async () => {
  const id = agent.start(["/bin/sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo hi"])
  await agent.fact(id, "OUTPUT_ENDED")
  assert.equal(agent.bytes(id).toString(), "hi\n")
  assert.ok(!agent.kinds(id).includes("EMPTY"))
  assert.equal((await agent.signal(id, SIG.KILL, TREE)).error, "")
  await agent.fact(id, "CLOSED")
})

test("DRAINED comes although a child never stops writing", { skip: emulated }, async () => {
  const id = agent.start({ argv: ["/bin/sh", "-c", "yes & echo own >&2; exit 0"] })
  agent.keep = false
  await agent.fact(id, "DRAINED")
  agent.keep = true
  await agent.signal(id, SIG.KILL, TREE)
  await agent.fact(id, "CLOSED")
})

test("a terminal: size, merged output, resize, end-of-file, hang-up", async () => {
  const id = agent.start({
    argv: [
      "/bin/sh",
      "-c",
      "test -t 0 && test -t 1 && test -t 2 && stty size; trap 'stty size; exit 7' WINCH; echo ready >&2; while :; do sleep 0.01; done"
    ],
    tty: { columns: 80, rows: 24 }
  })
  await agent.said(id, "ready")
  agent.resize(id, 100, 30)
  assert.equal((await agent.fact(id, "EXIT")).value, 7)
  await agent.fact(id, "CLOSED")
  assert.equal(agent.bytes(id).toString(), "24 80\r\nready\r\n30 100\r\n")
  const cat = agent.start({ argv: ["cat"], tty: { columns: 80, rows: 24 } })
  agent.stdin(cat, "line\npart")
  agent.eof(cat)
  await agent.fact(cat, "CLOSED")
  assert.match(agent.bytes(cat).toString(), /line\r\n/)
  const hangup = agent.start({ argv: ["sleep", "1000"], tty: { columns: 80, rows: 24 } })
  await agent.fact(hangup, "STARTED")
  agent.closeOutput(hangup)
  const exit = await agent.fact(hangup, "EXIT")
  assert.deepEqual([exit.how, exit.value], [2, SIG.HUP])
  await agent.fact(hangup, "CLOSED")
  const plain = agent.start(["true"])
  agent.resize(plain, 1, 1)
  assert.equal(
    (await agent.until(() => agent.of(plain).find((f) => f.kind === "REFUSED" || f.kind === "CLOSED"))).kind,
    "REFUSED"
  )
})

test("user and groups by name and number", { skip: !isRoot }, async () => {
  const ids = async (options) =>
    (
      await agent.run({ argv: ["/bin/sh", "-c", "echo $(id -u):$(id -g):$(id -G)"], cwd: "/", ...options })
    ).stdout.trim()
  assert.equal(await ids({ user: "nobody" }), "65534:65534:65534")
  assert.equal(await ids({ user: "65534" }), "65534:65534:65534")
  assert.equal(await ids({ user: "12345" }), "12345:12345:12345")
  assert.equal(await ids({ user: "12345:7" }), "12345:7:7")
  assert.equal(await ids({ user: "nobody:daemon" }), "65534:1:1")
  assert.equal(await ids({ user: "nobody", groups: ["daemon", "44"] }), "65534:65534:65534 1 44")
  assert.equal(await ids({ user: "nobody", groups: [] }), "65534:65534:65534")
  chmodSync(folder, 0o700)
  assert.deepEqual((await agent.run({ argv: ["true"], user: "nobody", cwd: folder })).failed.stage, 5)
})

test("limits are the command's own; the open files are what the agent was started with", async () => {
  const r = await agent.run({
    argv: ["/bin/sh", "-c", "ulimit -n; ulimit -c"],
    limits: [
      { resource: 7, soft: 77, hard: 99 },
      { resource: 4, soft: 0, hard: 0 }
    ]
  })
  assert.equal(r.stdout, "77\n0\n")
})

test("handover: relayed first, then the pipe itself, no byte lost or doubled", async () => {
  const a = new Agent({ features: 8 })
  const { openSync, readSync, closeSync, constants } = await import("node:fs")
  const hash = createHash("sha256")
  const total = 20000000
  const id = a.start({
    argv: ["/bin/sh", "-c", `head -c ${total} /dev/urandom | tee ${join(folder, "copy")}`],
    offer: true
  })
  a.onData = (f) => hash.update(f.bytes)
  const offer = await a.fact(id, "HANDOVER")
  assert.equal(offer.offset, BigInt(a.count(id)))
  const fd = openSync(`/proc/${offer.pid}/fd/${offer.fd}`, constants.O_RDONLY)
  a.handover(C.HANDOVER_TAKEN, id, 1)
  const buffer = Buffer.alloc(1 << 20)
  let n,
    direct = 0
  while ((n = readSync(fd, buffer)) > 0) {
    hash.update(buffer.subarray(0, n))
    direct += n
  }
  closeSync(fd)
  await a.fact(id, "CLOSED")
  assert.equal(a.count(id) + direct, total)
  const { readFileSync } = await import("node:fs")
  assert.equal(
    hash.digest("hex"),
    createHash("sha256")
      .update(readFileSync(join(folder, "copy")))
      .digest("hex")
  )
  // Asked for, and refused by the client: relaying goes on.
  const again = a.start({ argv: ["/bin/sh", "-c", "echo one; read x; echo two"], stdin: true })
  a.onData = undefined
  await a.said(again, "one")
  a.handover(C.HANDOVER_ASK, again, 1)
  await a.fact(again, "HANDOVER")
  a.stdin(again, "go\n")
  await a.fact(again, "EXIT")
  a.handover(C.HANDOVER_REFUSED, again, 1)
  await a.fact(again, "CLOSED")
  assert.equal(a.bytes(again).toString(), "one\ntwo\n")
  await a.end()
  const not = agent.start(["sleep", "1000"])
  agent.handover(C.HANDOVER_ASK, not, 1)
  assert.equal((await agent.fact(not, "REFUSED")).code, 7)
  await agent.signal(not, SIG.KILL, TREE)
})

test("a number in use is refused and the first command is not touched", async () => {
  const id = agent.start({ argv: ["cat"], stdin: true })
  agent.start({ id, argv: ["true"] })
  assert.equal((await agent.fact(id, "REFUSED")).code, 3)
  agent.eof(id)
  await agent.fact(id, "CLOSED")
})

test("300 commands at once", async () => {
  const all = await Promise.all(Array.from({ length: 300 }, (_, i) => agent.run(["/bin/echo", String(i)])))
  all.forEach((r, i) => assert.equal(r.stdout, `${i}\n`))
})
