// Golden vectors, both ways: the client's frames of vectors.json through the agent's own decoder, the agent's frames
// through the test client's decoder and, live, every frame a real agent sends through encode(decode(frame)).
// UPDATE=1 writes vectors.json from the fields below; a change of a committed vector is a change of the protocol.
import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { Agent, C, Payload, SIG, TREE, decode, frame, here, names, startPayload } from "./client.mjs"

const path = join(here, "../../test/vectors.json")
const MAX = "18446744073709551615"
const none = { op: 0, path: "", other: "", flags: 0, mode: 0, offset: "0", length: "0", uid: 0, gid: 0, credit: 0 }
const file = (f) => ({ ...none, ...f })
const kinds = Object.fromEntries(Object.entries(names).map(([number, name]) => [name, Number(number)]))

// Fields of each FILE operation in their order.
const fileLayouts = {
  1: "path offset length credit",
  2: "path flags mode offset",
  3: "path flags credit",
  4: "path flags",
  5: "path mode flags",
  6: "path flags",
  7: "path other",
  8: "path other",
  9: "path other",
  10: "path",
  11: "path",
  12: "path mode",
  13: "path uid gid flags",
  14: "path offset length",
  15: "path length",
  16: "path flags",
  17: "path other flags",
  18: "path other",
  19: "path other"
}
const fieldType = {
  path: "text",
  other: "text",
  flags: "u8",
  mode: "u32",
  offset: "u64",
  length: "u64",
  uid: "u32",
  gid: "u32",
  credit: "u32"
}

const encodeClient = (name, f) => {
  const p = new Payload()
  switch (name) {
    case "HELLO":
      p.parts.push(Buffer.from("EXAG"))
      p.u16(f.version).u16(0).u32(f.features)
      break
    case "START":
      return frame(
        C.START,
        f.command,
        startPayload({
          argv: f.argv,
          env: f.env,
          cwd: f.cwd,
          user: f.user,
          stdout: f.stdoutCredit,
          stderr: f.stderrCredit,
          limits: f.limits,
          stdin: f.flags & 1,
          tty: f.flags & 2 ? { columns: f.columns, rows: f.rows } : undefined,
          offer: f.flags & 4,
          groups: f.flags & 8 ? f.groups : undefined
        })
      )
    case "STDIN":
      p.parts.push(Buffer.from(f.bytes, "hex"))
      break
    case "CREDIT":
      p.u8(f.stream).u32(f.bytes)
      break
    case "SIGNAL":
      p.u32(f.request).u8(f.signal).u8(f.scope).u16(0)
      break
    case "DISCARD":
    case "CLOSE_OUTPUT":
      p.u8(f.streams)
      break
    case "RESIZE":
      p.u16(f.columns).u16(f.rows)
      break
    case "HANDOVER_ASK":
    case "HANDOVER_TAKEN":
    case "HANDOVER_REFUSED":
      p.u8(f.stream)
      break
    case "FILE":
      p.u8(f.op)
      for (const field of fileLayouts[f.op].split(" ")) p[fieldType[field]](f[field])
      break
    case "PING":
      p.u32(f.nonce)
      break
  }
  return frame(C[name], f.command, p.end())
}

const encodeAgent = (f) => {
  const p = new Payload()
  switch (f.kind) {
    case "HELLO":
      p.parts.push(Buffer.from(f.magic))
      p.u16(f.versionMin).u16(f.versionMax)
      for (const k of ["features", "pid", "uid", "gid", "maxPayload", "maxStart", "stdinWindow", "maxCommands"])
        p.u32(f[k])
      p.u8(f.arch).u8(f.os).text(f.build)
      break
    case "STARTED":
      p.u32(f.pid)
      break
    case "FAILED":
      p.u8(f.stage).text(f.error)
      break
    case "STDOUT":
    case "STDERR":
      p.parts.push(Buffer.from(f.bytes, "hex"))
      break
    case "STDIN_CREDIT":
      p.u32(f.bytes)
      break
    case "EXIT":
      p.u8(f.how).u8(f.flags).u16(0).u32(f.value).u64(f.nanoseconds)
      break
    case "CLOSED":
      p.u64(f.discardedStdout).u64(f.discardedStderr)
      break
    case "SIGNALED":
      p.u32(f.request).u32(f.count).text(f.error)
      break
    case "HANDOVER":
      p.u8(f.stream).u8(0).u16(0).u32(f.fd).u32(f.pid).u64(f.offset)
      break
    case "RESULT":
      p.text(f.error)
      p.parts.push(Buffer.from(f.result, "hex"))
      break
    case "REFUSED":
      p.u8(f.refused).u8(f.code).u16(0)
      break
    case "PONG":
      p.u32(f.nonce)
      break
    case "ERROR":
      p.u8(f.code).text(f.text)
      break
  }
  return frame(kinds[f.kind], f.command, p.end())
}
const plain = (f) =>
  JSON.parse(
    JSON.stringify(f, (_, v) =>
      typeof v === "bigint" ? String(v) : v?.type === "Buffer" ? Buffer.from(v.data).toString("hex") : v
    )
  )

const start = {
  command: 7,
  flags: 0,
  stdoutCredit: 1048576,
  stderrCredit: 65536,
  columns: 0,
  rows: 0,
  cwd: "",
  user: "",
  groups: [],
  limits: [],
  argv: ["true"],
  env: []
}
const fields = {
  client: [
    ["HELLO", { command: 0, version: 1, features: 8 }],
    ["START", start],
    [
      "START",
      {
        ...start,
        command: 4294967295,
        flags: 13,
        cwd: "/tmp/ü",
        user: "nobody:12",
        groups: ["daemon", "44"],
        limits: [{ resource: 7, soft: "256", hard: MAX }],
        argv: ["/bin/sh", "-c", 'echo "a b"'],
        env: ["PATH=/bin", "E="]
      }
    ],
    ["START", { ...start, flags: 2, columns: 80, rows: 24 }],
    ["STDIN", { command: 7, bytes: "00ff0a" }],
    ["STDIN_EOF", { command: 7 }],
    ["CREDIT", { command: 7, stream: 2, bytes: 4294967295 }],
    ["SIGNAL", { command: 7, request: 305419896, signal: 9, scope: 2 }],
    ["DISCARD", { command: 7, streams: 6 }],
    ["CLOSE_OUTPUT", { command: 7, streams: 2 }],
    ["RESIZE", { command: 7, columns: 132, rows: 50 }],
    ["HANDOVER_ASK", { command: 7, stream: 1 }],
    ["HANDOVER_TAKEN", { command: 7, stream: 1 }],
    ["HANDOVER_REFUSED", { command: 7, stream: 2 }],
    ["FILE", { command: 8, ...file({ op: 1, path: "/a", offset: "5", length: MAX, credit: 65536 }) }],
    ["FILE", { command: 8, ...file({ op: 2, path: "/a", flags: 9, mode: 0o644, offset: MAX }) }],
    ["FILE", { command: 8, ...file({ op: 3, path: "/", flags: 1, credit: 65536 }) }],
    ["FILE", { command: 8, ...file({ op: 5, path: "/a/b", mode: 0o755, flags: 1 }) }],
    ...[4, 6, 16].map((op) => ["FILE", { command: 8, ...file({ op, path: "/a", flags: 1 }) }]),
    ...[7, 8, 9, 18, 19].map((op) => ["FILE", { command: 8, ...file({ op, path: "/a", other: "b" }) }]),
    ...[10, 11].map((op) => ["FILE", { command: 8, ...file({ op, path: "/a" }) }]),
    ["FILE", { command: 8, ...file({ op: 12, path: "/a", mode: 0o4755 }) }],
    ["FILE", { command: 8, ...file({ op: 13, path: "/a", uid: 1000, gid: 4294967295, flags: 1 }) }],
    ["FILE", { command: 8, ...file({ op: 14, path: "/a", offset: MAX, length: "1700000000000000000" }) }],
    ["FILE", { command: 8, ...file({ op: 15, path: "/a", length: "4294967296" }) }],
    ["FILE", { command: 8, ...file({ op: 17, path: "/a", other: "/b", flags: 1 }) }],
    ["PING", { command: 0, nonce: 4207849484 }]
  ],
  agent: [
    {
      kind: "HELLO",
      command: 0,
      magic: "EXAG",
      versionMin: 1,
      versionMax: 1,
      features: 127,
      pid: 4711,
      uid: 0,
      gid: 0,
      maxPayload: 65536,
      maxStart: 4194304,
      stdinWindow: 131072,
      maxCommands: 4096,
      arch: 1,
      os: 1,
      build: "0.1.0"
    },
    { kind: "STARTED", command: 7, pid: 4712 },
    { kind: "FAILED", command: 7, stage: 6, error: "ENOENT" },
    { kind: "STDOUT", command: 7, bytes: "68690a" },
    { kind: "STDERR", command: 7, bytes: "ff" },
    { kind: "STDIN_CREDIT", command: 7, bytes: 65536 },
    { kind: "STDIN_CLOSED", command: 7 },
    { kind: "EXIT", command: 7, how: 1, flags: 0, value: 255, nanoseconds: "1234567" },
    { kind: "EXIT", command: 7, how: 2, flags: 3, value: 9, nanoseconds: "0" },
    { kind: "DRAINED", command: 7 },
    { kind: "OUTPUT_ENDED", command: 7 },
    { kind: "EMPTY", command: 7 },
    { kind: "CLOSED", command: 7, discardedStdout: "4294967296", discardedStderr: "0" },
    { kind: "SIGNALED", command: 7, request: 305419896, count: 3, error: "" },
    { kind: "SIGNALED", command: 7, request: 1, count: 0, error: "ESRCH" },
    { kind: "HANDOVER", command: 7, stream: 1, fd: 12, pid: 4711, offset: "65536" },
    { kind: "RESULT", command: 8, error: "ENOENT", result: "" },
    { kind: "RESULT", command: 8, error: "", result: "0300000000000000" },
    { kind: "REFUSED", command: 7, refused: 2, code: 3 },
    { kind: "PONG", command: 0, nonce: 4207849484 },
    { kind: "ERROR", command: 0, code: 1, text: "a malformed or oversized frame" }
  ],
  // What is not a frame, or makes no sense, and what the agent must find in it.
  hostile: [
    ["01000100070000000300000000", { fatal: true }, "STDIN of 65 537 bytes"],
    ["01004000070000000200000000", { fatal: true }, "START above 4 MiB"],
    ["00000000070000000400000100", { fatal: true }, "a non-zero reserved byte"],
    ["ffffffff070000006300000000", { fatal: true }, "an unknown kind that is too long"],
    ["000000000700000063000000", { refused: 2 }, "an unknown kind"],
    ["000000000000000004000000", { refused: 4 }, "command 0"],
    ["040000000100000" + "00e00000000000000", { refused: 4 }, "PING with a command"],
    ["000000000700000003000000", { refused: 1 }, "STDIN without bytes"],
    ["0500000007000000050000000000000000", { refused: 1 }, "CREDIT for stdin"],
    ["0600000007000000050000000101000000ff", { refused: 1 }, "a surplus byte"],
    ["0400000007000000050000000101000000".slice(0, 32), { refused: 1 }, "a missing byte"],
    ["080000000700000006000000010000004102" + "0000", { refused: 1 }, "signal 65"],
    ["0800000007000000060000000100000009030000", { refused: 1 }, "an unknown scope"],
    ["01000000070000000700000001", { refused: 1 }, "DISCARD of stdin"],
    ["0700000008000000" + "0d000000" + "0a020000" + "006162", { refused: 1 }, "a text without its NUL"],
    ["0700000008000000" + "0d000000" + "0a030000" + "006100", { refused: 1 }, "a text longer than the payload"],
    ["0a000000", { incomplete: true }, "four bytes"],
    ["080000000700000006000000010000", { incomplete: true }, "a frame cut off"]
  ]
}
if (process.env.UPDATE) {
  const all = {
    client: fields.client.map(([kind, f]) => ({ kind, hex: encodeClient(kind, f).toString("hex"), fields: f })),
    agent: fields.agent.map(({ kind, ...f }) => ({
      kind,
      hex: encodeAgent({ kind, ...f }).toString("hex"),
      fields: f
    })),
    hostile: fields.hostile.map(([hex, expected, what]) => ({ what, hex, expected }))
  }
  writeFileSync(path, JSON.stringify(all, null, 1) + "\n")
}
const vectors = JSON.parse(readFileSync(path, "utf8"))
const throughC = (hexes) =>
  execFileSync(join(here, "../.cache/vectors"), { input: hexes.join("\n") + "\n" })
    .toString()
    .trim()
    .split("\n")
    .map((l) => JSON.parse(l))

test("the agent reads the client's vectors as their fields say", () => {
  const read = throughC(vectors.client.map((v) => v.hex))
  vectors.client.forEach((v, i) => assert.deepEqual(read[i], { kind: C[v.kind], ...v.fields }, v.kind))
})
test("every prefix of a vector is incomplete, a surplus or missing byte in the payload is malformed", () => {
  for (const v of vectors.client) {
    const bytes = Buffer.from(v.hex, "hex")
    const cut = throughC(Array.from({ length: bytes.length }, (_, i) => bytes.subarray(0, i).toString("hex")))
    assert.ok(
      cut.every((r) => r.incomplete),
      v.kind
    )
    if (v.kind === "STDIN") continue
    const longer = Buffer.concat([bytes, Buffer.from([0])])
    longer.writeUInt32LE(bytes.length - 12 + 1)
    const shorter = Buffer.from(bytes.subarray(0, -1))
    if (bytes.length > 12) shorter.writeUInt32LE(bytes.length - 13)
    assert.deepEqual(throughC([longer.toString("hex")]), [{ refused: 1 }], v.kind)
    if (bytes.length > 12) assert.deepEqual(throughC([shorter.toString("hex")]), [{ refused: 1 }], v.kind)
  }
})
test("hostile frames are what they are", () => {
  const read = throughC(vectors.hostile.map((v) => v.hex))
  vectors.hostile.forEach((v, i) => assert.deepEqual(read[i], v.expected, v.what))
})
test("the agent's vectors are read as their fields say", () => {
  for (const v of vectors.agent) {
    const bytes = Buffer.from(v.hex, "hex")
    assert.deepEqual(plain(decode(bytes[8], bytes.readUInt32LE(4), bytes.subarray(12))), { kind: v.kind, ...v.fields })
  }
})
test("a live agent's frames have exactly these layouts", async () => {
  const a = new Agent({ features: 8 })
  const raw = []
  a.child.stdout.on("data", (b) => raw.push(b))
  await a.fact(0, "HELLO")
  await a.run(["nope"])
  const id = a.start({ argv: ["/bin/sh", "-c", "echo out; echo err >&2; cat >/dev/null; exit 0"], stdin: true })
  await a.said(id, "out")
  await a.said(id, "err", 2)
  a.stdin(id, Buffer.alloc(65536))
  a.handover(C.HANDOVER_ASK, id, 1)
  await a.fact(id, "HANDOVER")
  a.handover(C.HANDOVER_REFUSED, id, 1)
  a.start({ id, argv: ["true"] })
  await a.fact(id, "STDIN_CREDIT")
  await a.signal(id, SIG.KILL, TREE)
  await a.fact(id, "CLOSED")
  await a.fact(a.sh("sleep 1000 >/dev/null 2>&1 &"), "OUTPUT_ENDED")
  await a.fact(
    a.file(4, (p) => p.text("/").u8(0)),
    "RESULT"
  )
  await a.ping()
  a.write(Buffer.from("ffffffffffffffffffffffff", "hex"))
  await a.ended
  const seen = new Set()
  for (let b = Buffer.concat(raw); b.length; b = b.subarray(12 + b.readUInt32LE(0))) {
    const one = b.subarray(0, 12 + b.readUInt32LE(0))
    const f = plain(decode(one[8], one.readUInt32LE(4), one.subarray(12)))
    assert.equal(encodeAgent(f).toString("hex"), one.toString("hex"), f.kind)
    seen.add(f.kind)
  }
  for (const kind of Object.values(names))
    if (kind !== "STDIN_CLOSED") assert.ok(seen.has(kind), `${kind} was not seen`)
})
