// The file operations, each once in its usual form and in the forms that go wrong.
import assert from "node:assert/strict"
import { createHash, randomBytes } from "node:crypto"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, test } from "node:test"
import { Agent, SIG, TREE } from "./client.mjs"

const READ = 1,
  WRITE = 2,
  LIST = 3,
  STAT = 4,
  MKDIR = 5,
  REMOVE = 6,
  RENAME = 7,
  SYMLINK = 8,
  LINK = 9,
  READLINK = 10,
  REALPATH = 11,
  CHMOD = 12,
  CHOWN = 13,
  UTIMES = 14,
  TRUNCATE = 15,
  ACCESS = 16,
  COPY = 17,
  MKDTEMP = 18,
  MKSTEMP = 19
const ALL = 0xffffffffffffffffn
let agent, folder
const at = (...names) => join(folder, ...names)
before(() => {
  folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), "agent-files-")))
  agent = new Agent()
})
after(async () => {
  assert.deepEqual(await agent.end(), { code: 0, signal: null }, agent.stderr)
  assert.equal(agent.stderr, "")
  fs.rmSync(folder, { recursive: true })
})
const op = async (code, build) => {
  const id = agent.file(code, build)
  const result = await agent.fact(id, "RESULT")
  return { id, error: result.error, result: result.result, bytes: agent.bytes(id) }
}
const error = async (code, build) => (await op(code, build)).error
const textOf = (b) => b.toString("utf8", 4, b.length - 1)
const read = (path, offset = 0, length = ALL) =>
  op(READ, (p) =>
    p
      .text(path)
      .u64(offset)
      .u64(length)
      .u32(1 << 20)
  )
const write = async (path, bytes, flags = 1 | 8, mode = 0o644, offset = ALL) => {
  const id = agent.file(WRITE, (p) => p.text(path).u8(flags).u32(mode).u64(offset))
  if (bytes.length) agent.stdin(id, bytes)
  agent.eof(id)
  return (await agent.fact(id, "RESULT")).error
}

test("read: whole, a part, beyond the end, missing, a directory, a FIFO", async () => {
  fs.writeFileSync(at("a"), "hello world")
  assert.equal((await read(at("a"))).bytes.toString(), "hello world")
  const part = await read(at("a"), 6, 3n)
  assert.equal(part.bytes.toString(), "wor")
  assert.equal(part.result.readBigUInt64LE(), 3n)
  assert.equal((await read(at("a"), 100)).bytes.length, 0)
  assert.equal((await read(at("nope"))).error, "ENOENT")
  assert.equal((await read(folder)).error, "EISDIR")
  assert.equal((await agent.run(["mkfifo", at("fifo")])).exit.value, 0)
  assert.equal((await read(at("fifo"))).error, "")
})

test("a large file keeps its hash, under credit; giving up is possible", async () => {
  const content = randomBytes(5_000_000)
  fs.writeFileSync(at("large"), content)
  const r = await read(at("large"))
  assert.equal(createHash("sha256").update(r.bytes).digest("hex"), createHash("sha256").update(content).digest("hex"))
  const slow = agent.file(READ, (p) => p.text(at("large")).u64(0).u64(ALL).u32(10), { auto: false })
  await agent.until(() => agent.count(slow) === 10)
  await agent.ping()
  assert.equal(agent.count(slow), 10)
  assert.equal((await agent.signal(slow, SIG.TERM, TREE)).error, "EINVAL")
  assert.equal((await agent.signal(slow, SIG.KILL, TREE)).error, "")
  assert.equal((await agent.fact(slow, "RESULT")).error, "ECANCELED")
  const closed = agent.file(READ, (p) => p.text(at("large")).u64(0).u64(ALL).u32(10), { auto: false })
  await agent.until(() => agent.count(closed) === 10)
  agent.closeOutput(closed)
  assert.equal((await agent.fact(closed, "RESULT")).error, "ECANCELED")
})

test("write: create, truncate, append, exclusive, at an offset, missing", async () => {
  assert.equal(await write(at("w"), "one", 0), "ENOENT")
  assert.equal(await write(at("w"), "one", 1 | 8, 0o600), "")
  assert.equal(fs.statSync(at("w")).mode & 0o777, 0o600)
  assert.equal(await write(at("w"), "two", 1 | 2), "EEXIST")
  assert.equal(await write(at("w"), "+more", 4), "")
  assert.equal(fs.readFileSync(at("w"), "utf8"), "one+more")
  assert.equal(await write(at("w"), "XY", 0, 0, 1), "")
  assert.equal(fs.readFileSync(at("w"), "utf8"), "oXY+more")
  assert.equal(await write(at("w"), "", 8 | 16), "")
  assert.equal(fs.readFileSync(at("w"), "utf8"), "")
  assert.equal(await write("/dev/full", "x", 0), "ENOSPC")
  assert.equal(await write(at("w", "x"), "x"), "ENOTDIR")
})

const entries = (b) => {
  const list = []
  for (let i = 0; i < b.length;) {
    const length = b.readUInt32LE(i + 1)
    list.push([b[i], b.toString("utf8", i + 5, i + 5 + length - 1)])
    i += 5 + length
  }
  return list
}

test("list: flat, recursive, many, missing", async () => {
  fs.mkdirSync(at("list", "sub", "deep"), { recursive: true })
  fs.writeFileSync(at("list", "f"), "")
  fs.symlinkSync("f", at("list", "l"))
  fs.writeFileSync(at("list", "sub", "deep", "ü"), "")
  const flat = await op(LIST, (p) =>
    p
      .text(at("list"))
      .u8(0)
      .u32(1 << 20)
  )
  assert.deepEqual(
    entries(flat.bytes).sort(),
    [
      [1, "f"],
      [2, "sub"],
      [3, "l"]
    ].sort()
  )
  assert.equal(flat.result.readBigUInt64LE(), 3n)
  const all = entries(
    (
      await op(LIST, (p) =>
        p
          .text(at("list"))
          .u8(1)
          .u32(1 << 20)
      )
    ).bytes
  ).map((e) => e[1])
  assert.deepEqual([...all].sort(), ["f", "l", "sub", "sub/deep", "sub/deep/ü"].sort())
  assert.ok(all.indexOf("sub") < all.indexOf("sub/deep"))
  fs.mkdirSync(at("many"))
  for (let i = 0; i < 3000; i++) fs.writeFileSync(at("many", `file-${i}-${"x".repeat(100)}`), "")
  assert.equal(
    entries(
      (
        await op(LIST, (p) =>
          p
            .text(at("many"))
            .u8(0)
            .u32(1 << 20)
        )
      ).bytes
    ).length,
    3000
  )
  assert.equal(await error(LIST, (p) => p.text(at("nope")).u8(0).u32(1)), "ENOENT")
  assert.equal(await error(LIST, (p) => p.text(at("list", "f")).u8(0).u32(1)), "ENOTDIR")
})

test("stat and lstat", async () => {
  const expected = fs.lstatSync(at("list", "l"), { bigint: true })
  const { result: s } = await op(STAT, (p) => p.text(at("list", "l")).u8(1))
  assert.equal(s.length, 88)
  assert.equal(s[0], 3)
  assert.deepEqual([s.readBigUInt64LE(16), s.readBigUInt64LE(32)], [expected.size, expected.ino])
  assert.deepEqual(
    [s.readBigInt64LE(64), s.readBigInt64LE(72), s.readBigInt64LE(80)].map(String),
    [expected.mtimeNs, expected.ctimeNs, expected.birthtimeNs].map(String)
  )
  const { result: followed } = await op(STAT, (p) => p.text(at("list", "l")).u8(0))
  assert.deepEqual([followed[0], followed.readUInt32LE(4)], [1, 0o644])
  assert.equal(await error(STAT, (p) => p.text(at("nope")).u8(0)), "ENOENT")
})

test("mkdir, recursive or not", async () => {
  const mkdir = (path, flags) => error(MKDIR, (p) => p.text(path).u32(0o755).u8(flags))
  assert.equal(await mkdir(at("d"), 0), "")
  assert.equal(await mkdir(at("d"), 0), "EEXIST")
  assert.equal(await mkdir(at("d"), 1), "")
  assert.equal(await mkdir(at("x", "y", "z"), 0), "ENOENT")
  assert.equal(await mkdir(at("x", "y", "z") + "//", 1), "")
  assert.ok(fs.statSync(at("x", "y", "z")).isDirectory())
  assert.equal(await mkdir(at("a"), 1), "EEXIST")
  assert.equal(await mkdir(at("a", "b"), 1), "ENOTDIR")
  assert.equal(await mkdir("/", 1), "")
})

test("remove: file, link, tree, force", async () => {
  const remove = (path, flags) => error(REMOVE, (p) => p.text(path).u8(flags))
  fs.mkdirSync(at("r", "s", "t"), { recursive: true })
  fs.writeFileSync(at("r", "s", "f"), "")
  for (let i = 0; i < 500; i++) fs.writeFileSync(at("r", "s", "t", `f${i}`), "")
  fs.mkdirSync(at("kept"))
  fs.writeFileSync(at("kept", "f"), "")
  fs.symlinkSync(at("kept"), at("r", "link"))
  assert.equal(await remove(at("r"), 0), "EISDIR")
  assert.equal(await remove(at("r"), 1), "")
  assert.ok(!fs.existsSync(at("r")))
  assert.ok(fs.existsSync(at("kept", "f")), "a symlink is removed, not followed")
  assert.equal(await remove(at("r"), 1), "ENOENT")
  assert.equal(await remove(at("r"), 3), "")
  assert.equal(await remove(at("a"), 0), "")
  assert.equal(await remove(at("w", "x"), 1), "ENOTDIR")
})

test("rename, symlink, link, readlink, realpath, copy", async () => {
  fs.writeFileSync(at("from"), "content", { mode: 0o640 })
  assert.equal(await error(RENAME, (p) => p.text(at("from")).text(at("to"))), "")
  assert.equal(await error(RENAME, (p) => p.text(at("from")).text(at("to"))), "ENOENT")
  assert.equal(await error(SYMLINK, (p) => p.text("to").text(at("sym"))), "")
  assert.equal(await error(SYMLINK, (p) => p.text("to").text(at("sym"))), "EEXIST")
  assert.equal(textOf((await op(READLINK, (p) => p.text(at("sym")))).result), "to")
  assert.equal(await error(READLINK, (p) => p.text(at("to"))), "EINVAL")
  assert.equal(textOf((await op(REALPATH, (p) => p.text(at("sym")))).result), at("to"))
  assert.equal(await error(LINK, (p) => p.text(at("to")).text(at("hard"))), "")
  assert.equal(fs.statSync(at("hard")).nlink, 2)
  assert.equal(await error(COPY, (p) => p.text(at("to")).text(at("copy")).u8(1)), "")
  assert.equal(fs.readFileSync(at("copy"), "utf8"), "content")
  assert.equal(fs.statSync(at("copy")).mode & 0o777, 0o640)
  assert.equal(await error(COPY, (p) => p.text(at("to")).text(at("copy")).u8(1)), "EEXIST")
  assert.equal(await error(COPY, (p) => p.text(at("to")).text(at("copy")).u8(0)), "")
  assert.equal(await error(COPY, (p) => p.text(at("to")).text(at("hard")).u8(0)), "EINVAL")
  assert.equal(fs.readFileSync(at("to"), "utf8"), "content", "a file copied onto itself is not emptied")
})

test("chmod, chown, utimes, truncate, access", async () => {
  fs.writeFileSync(at("m"), "12345")
  assert.equal(await error(CHMOD, (p) => p.text(at("m")).u32(0o604)), "")
  assert.equal(fs.statSync(at("m")).mode & 0o7777, 0o604)
  if (process.getuid() === 0) {
    assert.equal(await error(CHOWN, (p) => p.text(at("m")).u32(12).u32(34).u8(0)), "")
    assert.deepEqual([fs.statSync(at("m")).uid, fs.statSync(at("m")).gid], [12, 34])
  }
  assert.equal(await error(UTIMES, (p) => p.text(at("m")).u64(-1n).u64(1234567890123456789n)), "")
  const s = fs.statSync(at("m"), { bigint: true })
  assert.deepEqual([s.atimeNs, s.mtimeNs], [-1n, 1234567890123456789n])
  assert.equal(await error(TRUNCATE, (p) => p.text(at("m")).u64(2)), "")
  assert.equal(fs.readFileSync(at("m"), "utf8"), "12")
  assert.equal(await error(ACCESS, (p) => p.text(at("m")).u8(4)), "")
  assert.equal(await error(ACCESS, (p) => p.text(at("m")).u8(1)), "EACCES")
  assert.equal(await error(ACCESS, (p) => p.text(at("nope")).u8(0)), "ENOENT")
})

test("temporary file and folder", async () => {
  const directory = textOf((await op(MKDTEMP, (p) => p.text(folder).text("t-"))).result)
  assert.match(directory, /\/t-.{6}$/)
  assert.equal(fs.statSync(directory).mode & 0o777, 0o700)
  const file = textOf((await op(MKSTEMP, (p) => p.text(folder).text("f"))).result)
  assert.equal(fs.statSync(file).size, 0)
  assert.equal(await error(MKDTEMP, (p) => p.text(at("nope")).text("")), "ENOENT")
  assert.equal(await error(MKDTEMP, (p) => p.text(folder).text("../x")), "EINVAL")
})

test("200 operations at once", async () => {
  const all = await Promise.all(Array.from({ length: 200 }, (_, i) => write(at(`n${i}`), `content ${i}`)))
  assert.ok(all.every((e) => e === ""))
  const back = await Promise.all(Array.from({ length: 200 }, (_, i) => read(at(`n${i}`))))
  back.forEach((r, i) => assert.equal(r.bytes.toString(), `content ${i}`))
})
