// The client comes over a socket instead of stdin and stdout, or does not.
import assert from "node:assert/strict"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { Agent, agentCommand, eventually, marker, processesWith } from "./client.mjs"

let folder
before(() => {
  folder = mkdtempSync(join(tmpdir(), "agent-socket-"))
})
after(() => rmSync(folder, { recursive: true }))

// An agent that offers a socket: its client first reads the offer, and then speaks where it likes.
class Offering extends Agent {
  offer = Buffer.alloc(0)
  constructor(path) {
    super({ hello: false, command: [...agentCommand, "--socket", path] })
    this.path = path
  }
  feed(chunk) {
    // Only frames begin with a length, and none with this one.
    if (this.offer.length < 20 && (this.offer.length > 0 || chunk.toString("latin1", 0, 4) === "EXAS")) {
      this.offer = Buffer.concat([this.offer, chunk])
      assert.ok(this.offer.length <= 20)
      for (const look of [...this.watchers]) look()
    } else super.feed(chunk)
  }
  offered() {
    return this.until(() => this.offer.length === 20 && this.offer.subarray(4), "the offer")
  }
  dial(said) {
    const socket = net.connect(this.path)
    socket.on("error", () => {})
    socket.write(said)
    return socket
  }
  async meet() {
    this.socket = this.dial(await this.offered())
    this.socket.on("data", (b) => super.feed(b))
    this.write = (b) => this.socket.write(b)
    this.hello(0)
    await this.fact(0, "HELLO")
  }
}

test("whoever says the token is the client, and the socket is gone from its place", async () => {
  const a = new Offering(join(folder, "a"))
  await a.meet()
  assert.equal(existsSync(a.path), false)
  assert.equal((await a.run(["echo", "hi"])).stdout, "hi\n")
  const id = a.start({ argv: ["sh", "-c", "wc -c"], stdin: true })
  a.stdin(id, "x".repeat(1000))
  a.eof(id)
  await a.said(id, "1000")
  a.socket.end()
  assert.deepEqual(await a.ended, { code: 0, signal: null }, a.stderr)
})

for (const end of ["stdin", "the socket"]) {
  test(`the end of ${end} ends everything`, async () => {
    const a = new Offering(join(folder, "b")),
      m = marker()
    await a.meet()
    a.sh(`setsid sleep ${m} & sleep ${m}`)
    await eventually(() => processesWith(`sleep\0${m}`).length === 2)
    if (end === "stdin") a.child.stdin.end()
    else a.socket.destroy()
    assert.deepEqual(await a.ended, { code: 0, signal: null }, a.stderr)
    assert.deepEqual(processesWith(m), [])
  })
}

test("who says another token is turned away", async () => {
  const a = new Offering(join(folder, "c"))
  await a.offered()
  for (const wrong of [Buffer.alloc(16), Buffer.from("EXAG"), Buffer.alloc(100_000)]) {
    const socket = a.dial(wrong)
    if (wrong.length < 16) socket.end()
    socket.resume()
    await new Promise((resolve) => socket.once("close", resolve))
  }
  await a.meet()
  assert.equal((await a.run(["echo", "hi"])).stdout, "hi\n")
  a.socket.end()
  await a.ended
})

test("a byte on stdin declines: then stdin and stdout are the pipe, as ever", async () => {
  const a = new Offering(join(folder, "d"))
  await a.offered()
  a.write(Buffer.alloc(1))
  a.hello(0)
  await a.fact(0, "HELLO")
  assert.equal(existsSync(a.path), false)
  assert.equal((await a.run(["echo", "hi"])).stdout, "hi\n")
  assert.deepEqual(await a.end(), { code: 0, signal: null }, a.stderr)
})

test("the end of stdin before anybody came ends it", async () => {
  const a = new Offering(join(folder, "e"))
  await a.offered()
  assert.deepEqual(await a.end(), { code: 0, signal: null }, a.stderr)
  assert.equal(existsSync(a.path), false)
})

test("where there can be no socket nothing is offered", async () => {
  for (const path of [join(folder, "none", "s"), join(folder, "x".repeat(120)), folder]) {
    const a = new Offering(path)
    a.hello(0)
    await a.fact(0, "HELLO")
    assert.equal((await a.run(["echo", "hi"])).stdout, "hi\n")
    assert.deepEqual(await a.end(), { code: 0, signal: null }, a.stderr)
  }
})
