// Frames that no client should send, at a live agent: it never crashes, and no other command notices.
import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { Agent, C, Payload, SIG, TREE, frame, here, startPayload } from "./client.mjs"

const vectors = JSON.parse(readFileSync(join(here, "../../test/vectors.json"), "utf8"))

// A small generator, so that a failing seed can be run again.
const random = (seed) => () => {
  seed = (seed * 1103515245 + 12345) & 0x7fffffff
  return seed / 0x7fffffff
}

for (const [what, bytes, code] of [
  ["an oversized length", "ffffffff0700000003000000", 1],
  ["a reserved byte", "000000000700000004000001", 1],
  ["a second HELLO", frame(C.HELLO, 0, Buffer.from("455841470100000000000000", "hex")).toString("hex"), 2]
]) {
  test(`${what} is fatal: ERROR, everything killed, status 1`, async () => {
    const a = new Agent()
    const id = a.start(["sleep", "1000"])
    await a.fact(id, "STARTED")
    a.write(Buffer.from(bytes, "hex"))
    assert.equal((await a.ended).code, 1)
    assert.equal(a.of(0).at(-1).code, code)
    assert.equal(a.stderr, "")
  })
}

test("no HELLO, a wrong one, or one that chooses too much", async () => {
  for (const first of [
    frame(C.PING, 0, Buffer.alloc(4)),
    frame(C.HELLO, 0, Buffer.from("EXAX\x01\0\0\0\0\0\0\0")),
    frame(C.HELLO, 0, Buffer.from("EXAG\x02\0\0\0\0\0\0\0")),
    frame(C.HELLO, 0, Buffer.from("EXAG\x01\0\0\0\0\0\0\x10"))
  ]) {
    const a = new Agent({ hello: false })
    a.write(first)
    assert.equal((await a.ended).code, 1)
    assert.equal(a.of(0).at(-1).code, 2)
  }
})

test("an input cut off in the middle of a frame is an end like any other", async () => {
  const a = new Agent()
  await a.fact(0, "HELLO")
  a.write(frame(C.START, 1, startPayload({ argv: ["true"] })).subarray(0, 20))
  assert.deepEqual(await a.end(), { code: 0, signal: null })
})

test("mutated frames: the agent lives, a running command keeps its bytes", async () => {
  const next = random(20240607)
  const a = new Agent({ features: 8 })
  const witness = 0xfffffffe
  a.start({ id: witness, argv: ["cat"], stdin: true })
  let expected = ""
  // Harmless programs only: what is mutated is everything around the names.
  const sources = vectors.client
    .filter((v) => !["HELLO", "START"].includes(v.kind))
    .filter((v) => !(v.kind === "FILE" && v.fields.op !== 4))
    .map((v) => Buffer.from(v.hex, "hex"))
    .concat([
      frame(C.START, 1, startPayload({ argv: ["true"], limits: [{ resource: 7, soft: 64, hard: 64 }], groups: [] }))
    ])
  for (let i = 0; i < 20000; i++) {
    const payload = Buffer.from(sources[Math.floor(next() * sources.length)])
    let body = payload.subarray(12)
    for (let k = Math.floor(next() * 4); k > 0 && body.length; k--)
      body[Math.floor(next() * body.length)] = Math.floor(next() * 256)
    if (next() < 0.2) body = body.subarray(0, Math.floor(next() * body.length))
    const kind = next() < 0.1 ? Math.floor(next() * 256) : payload[8]
    if (kind === C.HELLO) continue
    a.write(frame(kind, Math.floor(next() * 20), body))
    if (i % 500 === 0) {
      expected += `${i}\n`
      a.stdin(witness, `${i}\n`)
      await a.ping()
    }
  }
  a.eof(witness)
  await a.fact(witness, "CLOSED")
  assert.equal(a.bytes(witness).toString(), expected)
  assert.deepEqual(await a.end(), { code: 0, signal: null })
  assert.equal(a.stderr, "")
})

test("numbers, counts and limits at their edges", async () => {
  const a = new Agent()
  const bad = (build) => {
    const id = a.nextId++
    a.write(frame(C.START, id, build(new Payload()).end()))
    return a.fact(id, "REFUSED")
  }
  const head = (p) => p.u8(0).u8(0).u16(0).u32(1).u32(1).u16(0).u16(0).text("").text("").texts([])
  assert.equal((await bad((p) => head(p).u32(17).texts(["true"]).texts([]))).code, 1)
  assert.equal((await bad((p) => head(p).u32(0).u32(0xffffffff))).code, 1)
  assert.equal((await bad((p) => head(p).u32(0).texts([]).texts([]))).code, 1)
  assert.equal((await bad((p) => head(p).u32(0).texts([""]).texts([]))).code, 1)
  assert.equal((await bad((p) => head(p).u32(0).texts(["a\0b"]).texts([]))).code, 1)
  assert.equal(
    (
      await bad((p) =>
        p.u8(16).u8(0).u16(0).u32(1).u32(1).u16(0).u16(0).text("").text("").texts([]).u32(0).texts(["true"]).texts([])
      )
    ).code,
    1
  )
  // Credit may overflow as often as one likes.
  const id = a.start({ argv: ["/bin/sh", "-c", "read x; echo $x"], stdin: true, stdout: 0xffffffff, auto: false })
  for (let i = 0; i < 5; i++) a.credit(id, 1, 0xffffffff)
  a.stdin(id, "yes\n")
  await a.fact(id, "CLOSED")
  assert.equal(a.bytes(id).toString(), "yes\n")
  // KILL asked more often than it can be answered: each is answered all the same.
  const many = a.start(["sleep", "1000"])
  const answers = await Promise.all(Array.from({ length: 3000 }, () => a.signal(many, 0, TREE)))
  assert.ok(answers.every((x) => x.error === "" || x.error === "EAGAIN"))
  assert.equal((await a.signal(many, SIG.KILL, TREE)).error, "")
  assert.deepEqual(await a.end(), { code: 0, signal: null })
  assert.equal(a.stderr, "")
})
