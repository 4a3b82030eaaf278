// A small client of PROTOCOL.md for the tests: plain Node, no dependencies. Every wait is for a fact (a frame, the
// agent's end, a process gone from /proc); none is for time.
import { spawn } from "node:child_process"
import { readFileSync, readdirSync } from "node:fs"
import { fileURLToPath } from "node:url"

export const here = fileURLToPath(new URL(".", import.meta.url))
// Words of one program, e.g. "qemu-aarch64-static bin/agent-linux-arm64".
export const agentCommand = (process.env.AGENT ?? `${here}../.cache/agent-sanitized`).split(" ")

export const C = {
  HELLO: 1,
  START: 2,
  STDIN: 3,
  STDIN_EOF: 4,
  CREDIT: 5,
  SIGNAL: 6,
  DISCARD: 7,
  CLOSE_OUTPUT: 8,
  RESIZE: 9,
  HANDOVER_ASK: 10,
  HANDOVER_TAKEN: 11,
  HANDOVER_REFUSED: 12,
  FILE: 13,
  PING: 14
}
export const names = {
  0x81: "HELLO",
  0x82: "STARTED",
  0x83: "FAILED",
  0x84: "STDOUT",
  0x85: "STDERR",
  0x86: "STDIN_CREDIT",
  0x87: "STDIN_CLOSED",
  0x88: "EXIT",
  0x89: "DRAINED",
  0x8a: "EMPTY",
  0x8b: "CLOSED",
  0x8c: "SIGNALED",
  0x8d: "HANDOVER",
  0x8e: "RESULT",
  0x8f: "REFUSED",
  0x90: "PONG",
  0x91: "ERROR",
  0x92: "OUTPUT_ENDED"
}
export const PROCESS = 0,
  GROUP = 1,
  TREE = 2
export const SIG = { HUP: 1, INT: 2, KILL: 9, USR1: 10, TERM: 15, CONT: 18, STOP: 19 }

export class Payload {
  parts = []
  u8(v) {
    this.parts.push(Buffer.from([v]))
    return this
  }
  u16(v) {
    const b = Buffer.alloc(2)
    b.writeUInt16LE(v)
    this.parts.push(b)
    return this
  }
  u32(v) {
    const b = Buffer.alloc(4)
    b.writeUInt32LE(v)
    this.parts.push(b)
    return this
  }
  u64(v) {
    const b = Buffer.alloc(8)
    b.writeBigUInt64LE(BigInt.asUintN(64, BigInt(v)))
    this.parts.push(b)
    return this
  }
  text(v) {
    const b = Buffer.isBuffer(v) ? v : Buffer.from(v)
    this.u32(b.length + 1)
    this.parts.push(b, Buffer.from([0]))
    return this
  }
  texts(list) {
    this.u32(list.length)
    for (const v of list) this.text(v)
    return this
  }
  end() {
    return Buffer.concat(this.parts)
  }
}

export const frame = (kind, command, payload = Buffer.alloc(0)) => {
  const header = Buffer.alloc(12)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt32LE(command, 4)
  header[8] = kind
  return Buffer.concat([header, payload])
}

export const startPayload = (o) => {
  const limits = o.limits ?? []
  const p = new Payload()
    .u8((o.stdin ? 1 : 0) | (o.tty ? 2 : 0) | (o.offer ? 4 : 0) | (o.groups ? 8 : 0))
    .u8(0)
    .u16(0)
    .u32(o.stdout ?? 1 << 20)
    .u32(o.stderr ?? 1 << 20)
    .u16(o.tty?.columns ?? 0)
    .u16(o.tty?.rows ?? 0)
    .text(o.cwd ?? "")
    .text(o.user ?? "")
    .texts(o.groups ?? [])
    .u32(limits.length)
  for (const l of limits) p.u8(l.resource).u64(l.soft).u64(l.hard)
  return p
    .texts(o.argv)
    .texts(o.env ?? [`PATH=${process.env.PATH}`])
    .end()
}

const text = (b, at) => {
  const length = b.readUInt32LE(at)
  return { value: b.subarray(at + 4, at + 4 + length - 1).toString(), next: at + 4 + length }
}

// One frame of the agent as a plain object: what vectors.json calls `fields`.
export const decode = (kind, command, b) => {
  const f = { kind: names[kind] ?? kind, command }
  switch (f.kind) {
    case "HELLO":
      return {
        ...f,
        magic: b.toString("latin1", 0, 4),
        versionMin: b.readUInt16LE(4),
        versionMax: b.readUInt16LE(6),
        features: b.readUInt32LE(8),
        pid: b.readUInt32LE(12),
        uid: b.readUInt32LE(16),
        gid: b.readUInt32LE(20),
        maxPayload: b.readUInt32LE(24),
        maxStart: b.readUInt32LE(28),
        stdinWindow: b.readUInt32LE(32),
        maxCommands: b.readUInt32LE(36),
        arch: b[40],
        os: b[41],
        build: text(b, 42).value
      }
    case "STARTED":
      return { ...f, pid: b.readUInt32LE(0) }
    case "FAILED":
      return { ...f, stage: b[0], error: text(b, 1).value }
    case "STDOUT":
    case "STDERR":
      return { ...f, bytes: b }
    case "STDIN_CREDIT":
      return { ...f, bytes: b.readUInt32LE(0) }
    case "EXIT":
      return { ...f, how: b[0], flags: b[1], value: b.readUInt32LE(4), nanoseconds: b.readBigUInt64LE(8) }
    case "CLOSED":
      return { ...f, discardedStdout: b.readBigUInt64LE(0), discardedStderr: b.readBigUInt64LE(8) }
    case "SIGNALED":
      return { ...f, request: b.readUInt32LE(0), count: b.readUInt32LE(4), error: text(b, 8).value }
    case "HANDOVER":
      return { ...f, stream: b[0], fd: b.readUInt32LE(4), pid: b.readUInt32LE(8), offset: b.readBigUInt64LE(12) }
    case "RESULT": {
      const error = text(b, 0)
      return { ...f, error: error.value, result: b.subarray(error.next) }
    }
    case "REFUSED":
      return { ...f, refused: b[0], code: b[1] }
    case "PONG":
      return { ...f, nonce: b.readUInt32LE(0) }
    case "ERROR":
      return { ...f, code: b[0], text: text(b, 1).value }
    default:
      return f
  }
}

export class Agent {
  frames = new Map() // per command, all that arrived (data joined separately)
  output = new Map() // `${command}:${stream}` → Buffer[]
  received = new Map() // → byte counts
  watchers = new Set()
  nextId = 1
  nextRequest = 1
  autoCredit = new Set()
  keep = true // whether output bytes are kept, or only counted

  constructor({ hello = true, features = 0, command = agentCommand, env } = {}) {
    this.child = spawn(command[0], command.slice(1), { stdio: ["pipe", "pipe", "pipe"], env: env ?? process.env })
    this.stderr = ""
    this.child.stderr.on("data", (b) => {
      this.stderr += b
    })
    this.child.stdin.on("error", () => {})
    this.child.stdout.on("data", (b) => this.feed(b))
    this.ended = new Promise((resolve) =>
      this.child.on("close", (code, signal) => {
        this.isEnded = { code, signal }
        resolve(this.isEnded)
        this.#wake()
      })
    )
    if (hello) this.hello(features)
  }
  get pid() {
    return this.child.pid
  }
  hello(features) {
    this.write(frame(C.HELLO, 0, Buffer.concat([Buffer.from("EXAG"), new Payload().u16(1).u16(0).u32(features).end()])))
  }
  #rest = Buffer.alloc(0)
  feed(chunk) {
    let b = this.#rest.length ? Buffer.concat([this.#rest, chunk]) : chunk
    while (b.length >= 12) {
      const length = b.readUInt32LE(0)
      if (b.length < 12 + length) break
      const kind = b[8]
      this.#take(decode(kind, b.readUInt32LE(4), b.subarray(12, 12 + length)))
      b = b.subarray(12 + length)
    }
    this.#rest = b
    this.#wake()
  }
  #take(f) {
    if (f.kind === "STDOUT" || f.kind === "STDERR") {
      const stream = f.kind === "STDOUT" ? 1 : 2
      const key = `${f.command}:${stream}`
      if (this.keep) this.output.set(key, [...(this.output.get(key) ?? []), f.bytes])
      this.received.set(key, (this.received.get(key) ?? 0) + f.bytes.length)
      this.onData?.(f)
      if (this.autoCredit.has(f.command)) this.credit(f.command, stream, f.bytes.length)
      f = { kind: f.kind, command: f.command, length: f.bytes.length }
      if (!this.keep) return
    }
    if (!this.frames.has(f.command)) this.frames.set(f.command, [])
    this.frames.get(f.command).push(f)
  }
  #wake() {
    for (const w of [...this.watchers]) w()
  }
  // Resolves with the first truthy value of `look`, asked again at each arrival.
  until(look, what = String(look)) {
    return new Promise((resolve, reject) => {
      const ask = () => {
        const value = look()
        if (value) {
          this.watchers.delete(ask)
          resolve(value)
        } else if (this.isEnded) {
          this.watchers.delete(ask)
          reject(new Error(`agent ended (${JSON.stringify(this.isEnded)}) before: ${what}\n${this.stderr}`))
        }
      }
      this.watchers.add(ask)
      ask()
    })
  }
  of(command) {
    return this.frames.get(command) ?? []
  }
  kinds(command) {
    return this.of(command).map((f) => f.kind)
  }
  fact(command, kind) {
    return this.until(() => this.of(command).find((f) => f.kind === kind), `${kind} of ${command}`)
  }
  // Bytes of a stream so far.
  bytes(command, stream = 1) {
    return Buffer.concat(this.output.get(`${command}:${stream}`) ?? [])
  }
  count(command, stream = 1) {
    return this.received.get(`${command}:${stream}`) ?? 0
  }
  said(command, wanted, stream = 1) {
    return this.until(() => this.bytes(command, stream).includes(wanted), `"${wanted}" from ${command}`)
  }
  write(b) {
    return this.child.stdin.write(b)
  }
  start(options) {
    const o = Array.isArray(options) ? { argv: options } : options
    const id = o.id ?? this.nextId++
    this.write(frame(C.START, id, startPayload(o)))
    if (o.auto !== false && o.stdout === undefined) this.autoCredit.add(id)
    return id
  }
  sh(script, options = {}) {
    return this.start({ ...options, argv: ["/bin/sh", "-c", script] })
  }
  stdin(id, bytes) {
    this.write(frame(C.STDIN, id, Buffer.from(bytes)))
  }
  eof(id) {
    this.write(frame(C.STDIN_EOF, id))
  }
  credit(id, stream, bytes) {
    this.write(frame(C.CREDIT, id, new Payload().u8(stream).u32(bytes).end()))
  }
  discard(id, streams = 6) {
    this.write(frame(C.DISCARD, id, Buffer.from([streams])))
  }
  closeOutput(id, streams = 6) {
    this.write(frame(C.CLOSE_OUTPUT, id, Buffer.from([streams])))
  }
  resize(id, columns, rows) {
    this.write(frame(C.RESIZE, id, new Payload().u16(columns).u16(rows).end()))
  }
  signal(id, signal, scope) {
    const request = this.nextRequest++
    this.write(frame(C.SIGNAL, id, new Payload().u32(request).u8(signal).u8(scope).u16(0).end()))
    return this.until(
      () => this.of(id).find((f) => f.kind === "SIGNALED" && f.request === request),
      `answer to signal ${signal}`
    )
  }
  handover(kind, id, stream) {
    this.write(frame(kind, id, Buffer.from([stream])))
  }
  ping() {
    const nonce = this.nextRequest++
    this.write(frame(C.PING, 0, new Payload().u32(nonce).end()))
    return this.until(() => this.of(0).find((f) => f.kind === "PONG" && f.nonce === nonce), "PONG")
  }
  file(op, build, { id = this.nextId++, auto = true } = {}) {
    this.write(frame(C.FILE, id, build(new Payload().u8(op)).end()))
    if (auto) this.autoCredit.add(id)
    return id
  }
  async run(options) {
    const id = this.start(options)
    await this.fact(id, "CLOSED")
    return {
      id,
      stdout: this.bytes(id, 1).toString(),
      stderr: this.bytes(id, 2).toString(),
      exit: this.of(id).find((f) => f.kind === "EXIT"),
      failed: this.of(id).find((f) => f.kind === "FAILED"),
      kinds: this.kinds(id)
    }
  }
  async end() {
    this.child.stdin.end()
    return this.ended
  }
}

// Processes whose command line carries a marker: how a test sees whether anything of its own is left.
export const processesWith = (marker) =>
  readdirSync("/proc")
    .filter((d) => /^\d+$/.test(d))
    .filter((pid) => {
      if (pid === String(process.pid)) return false
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, "latin1").includes(marker) &&
          !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
        )
      } catch {
        return false
      }
    })
export const isAlive = (pid) => {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"))
  } catch {
    return false
  }
}
// Facts outside the agent's own frames have no event to wait for; they are looked at until they are true, and the
// test runner's own limit ends a wait that never does.
export const eventually = async (look) => {
  for (;;) {
    const value = await look()
    if (value) return value
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
let markers = 0
export const marker = () => `${987000000 + (process.pid % 100000) * 1000 + markers++}`
