/**
 * Where files are: directories, links, copies, moves, names that are awkward.
 */
import * as ByteSize from "effect/ByteSize"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { encode } from "../web.ts"
import { awkward, test, type Test } from "./kit.ts"

/** Places. */
export const places: ReadonlyArray<Test> = [
  test("every operation takes every name", function* ({ at, fs, modeOf }) {
    yield* Effect.forEach(
      awkward,
      (name, index) =>
        Effect.gen(function* () {
          const home = `d${index}`
          yield* fs.makeDirectory(at(`${home}/${name}`), { recursive: true })
          const path = at(`${home}/${name}/${name}`)
          yield* fs.writeFileString(path, name, { mode: 0o600 })
          yield* fs.writeFileString(path, "+", { flag: "a" })
          assert.strictEqual(yield* fs.readFileString(path), `${name}+`)
          yield* Stream.run(Stream.make(encode(name)), fs.sink(path))
          assert.strictEqual(yield* Stream.mkString(Stream.decodeText(fs.stream(path, { offset: 0 }))), name)
          assert.isTrue(yield* fs.exists(path))
          yield* fs.access(path, { readable: true, writable: true })
          yield* fs.chmod(path, 0o640)
          assert.strictEqual(yield* modeOf(path), 0o640)
          yield* fs.utimes(path, 1, 2)
          yield* fs.truncate(path, 1)
          assert.strictEqual((yield* fs.stat(path)).type, "File")
          assert.strictEqual(yield* fs.realPath(path), `${yield* fs.realPath(at(`${home}/${name}`))}/${name}`)
          yield* fs.symlink(name, `${path}.s`)
          assert.strictEqual(yield* fs.readLink(`${path}.s`), name)
          yield* fs.link(path, `${path}.h`)
          yield* fs.copyFile(path, `${path}.c`)
          yield* fs.rename(`${path}.c`, `${path}.r`)
          yield* fs.copy(at(`${home}/${name}`), at(`${home}/copy ${name}`))
          const names = [name, `${name}.h`, `${name}.r`, `${name}.s`].toSorted()
          assert.deepStrictEqual((yield* fs.readDirectory(at(`${home}/${name}`))).toSorted(), names)
          assert.deepStrictEqual(
            (yield* fs.readDirectory(at(home), { recursive: true })).toSorted(),
            [name, `copy ${name}`].flatMap((parent) => [parent, ...names.map((each) => `${parent}/${each}`)]).toSorted()
          )
          const temporary = yield* fs.makeTempDirectory({ directory: at(`${home}/${name}`), prefix: name })
          assert.isTrue(temporary.startsWith(path))
          yield* fs.remove(path)
          yield* fs.remove(at(home), { recursive: true })
          assert.isFalse(yield* fs.exists(at(home)))
        }),
      { concurrency: 2 }
    )
  }),
  test("a relative path is relative to where commands start", function* ({ at, fs }) {
    yield* fs.writeFileString(at("f"), "text")
    // However deep that is: the directory above the root is the root.
    const relative = `${"../".repeat(40)}${at("f").slice(1)}`
    assert.strictEqual(yield* fs.readFileString(relative), "text")
    assert.strictEqual(yield* fs.realPath("."), yield* fs.realPath("./"))
  }),
  test("makeDirectory makes one, or with recursive all above it too", function* ({ at, fs, modeOf }) {
    yield* fs.makeDirectory(at("a"), { mode: 0o700 })
    assert.strictEqual(yield* modeOf(at("a")), 0o700)
    yield* fs.makeDirectory(at("b/c/d"), { recursive: true, mode: 0o750 })
    assert.deepStrictEqual([yield* modeOf(at("b")), yield* modeOf(at("b/c/d"))], [0o750, 0o750])
    yield* fs.makeDirectory(at("b/c/d"), { recursive: true })
    yield* fs.makeDirectory(at("b/c"), { recursive: true, mode: 0o700 })
    assert.strictEqual(yield* modeOf(at("b/c")), 0o750, "one that is there stays as it is")
    yield* fs.makeDirectory(at("sticky"), { mode: 0o1755 })
    assert.strictEqual(yield* modeOf(at("sticky")), 0o1755)
  }),
  test("readDirectory lists names, or with recursive all paths below", function* ({ at, fs }) {
    assert.deepStrictEqual(yield* fs.readDirectory(at(".")), [])
    yield* fs.makeDirectory(at("a/b/c"), { recursive: true })
    yield* Effect.forEach(["f", "a/g", "a/b/h"], (path) => fs.writeFileString(at(path), ""))
    assert.deepStrictEqual((yield* fs.readDirectory(at("."))).toSorted(), ["a", "f"])
    assert.deepStrictEqual((yield* fs.readDirectory(at("."), { recursive: true })).toSorted(), [
      "a",
      "a/b",
      "a/b/c",
      "a/b/h",
      "a/g",
      "f"
    ])
    yield* fs.symlink(at("a"), at("link"))
    assert.deepStrictEqual((yield* fs.readDirectory(at("link"))).toSorted(), ["b", "g"])
  }),
  test("readDirectoryEntries tells the type of each entry itself", function* ({ at, fs }) {
    yield* fs.makeDirectory(at("d"))
    yield* fs.writeFileString(at("f"), "")
    yield* fs.symlink("d", at("l"))
    yield* fs.symlink("nowhere", at("m"))
    const entries = yield* fs.readDirectoryEntries(at("."))
    assert.deepStrictEqual(entries.map(({ name, type }) => `${name} ${type}`).toSorted(), [
      "d Directory",
      "f File",
      "l SymbolicLink",
      "m SymbolicLink"
    ])
  }),
  test("a tree of a thousand files is listed whole", function* ({ at, fs }) {
    yield* fs.makeDirectory(at("0"))
    yield* Effect.forEach([1, 2, 3, 4], (index) => fs.writeFileString(at(`0/${index} ${"long ".repeat(20)}`), ""))
    let files = 4
    let all = 4
    for (let depth = 1; depth <= 8; depth++) {
      yield* fs.copy(at(`${depth - 1}`), at(`${depth}/a`))
      yield* fs.copy(at(`${depth - 1}`), at(`${depth}/b`))
      files *= 2
      all = 2 * (all + 1)
    }
    const listed = yield* fs.readDirectory(at("8"), { recursive: true })
    assert.strictEqual(new Set(listed).size, all)
    assert.strictEqual(listed.filter((path) => path.includes("long")).length, files)
  }),
  test("glob finds what matches", function* ({ at, fs }) {
    yield* fs.makeDirectory(at("src/deep"), { recursive: true })
    yield* Effect.forEach(["src/a.ts", "src/deep/b.ts", "src/c.md"], (path) => fs.writeFileString(at(path), ""))
    assert.deepStrictEqual(yield* fs.glob("src/**/*.ts", { root: at(".") }), ["src/a.ts", "src/deep/b.ts"])
  }),
  test("stat follows a symbolic link, lstat does not", function* ({ at, fs }) {
    yield* fs.writeFileString(at("f"), "12345")
    yield* fs.symlink("f", at("l"))
    const [target, link] = [yield* fs.stat(at("l")), yield* fs.lstat(at("l"))]
    assert.strictEqual(target.type, "File")
    assert.strictEqual(ByteSize.toBigInt(target.size), 5n)
    assert.strictEqual(link.type, "SymbolicLink")
    assert.strictEqual(ByteSize.toBigInt(link.size), 1n)
  }),
  test("stat tells all that there is to know", function* ({ at, fs }) {
    yield* fs.writeFileString(at("f"), "x", { mode: 0o600 })
    yield* fs.link(at("f"), at("g"))
    const [one, other] = [yield* fs.stat(at("f")), yield* fs.stat(at("g"))]
    assert.strictEqual(one.mode, 0o100600)
    assert.strictEqual((yield* fs.stat(at("."))).mode & 0o170000, 0o040000)
    assert.deepStrictEqual([one.dev, one.ino], [other.dev, other.ino])
    assert.deepStrictEqual(one.nlink, Option.some(2n))
    assert.isTrue(Option.isSome(one.ino) && Option.isSome(one.uid) && Option.isSome(one.gid))
    assert.isTrue(Option.isSome(one.blksize) && Option.isSome(one.blocks))
    const age = Date.now() - Option.getOrThrow(one.mtime).getTime()
    assert.isBelow(Math.abs(age), 60_000)
    const device = yield* fs.stat("/dev/null")
    assert.strictEqual(device.type, "CharacterDevice")
    // 1 and 3 on Linux; an agent does not tell.
    assert.strictEqual(
      Option.getOrElse(device.rdev, () => 259n),
      259n
    )
    assert.strictEqual((yield* fs.stat("/")).type, "Directory")
  }),
  test("chmod sets just these bits", function* ({ at, fs, modeOf }) {
    yield* fs.writeFileString(at("f"), "")
    yield* fs.makeDirectory(at("d"))
    for (const mode of [0o644, 0o000, 0o4755, 0o2711, 0o777, 0o600]) {
      yield* fs.chmod(at("f"), mode)
      assert.strictEqual(yield* modeOf(at("f")), mode)
    }
    for (const mode of [0o2755, 0o755, 0o1777, 0o700]) {
      yield* fs.chmod(at("d"), mode)
      assert.strictEqual(yield* modeOf(at("d")), mode)
    }
  }),
  test("utimes sets times, from dates and from seconds", function* ({ at, fs, wholeSeconds }) {
    yield* fs.writeFileString(at("f"), "")
    const times = Effect.map(fs.stat(at("f")), ({ atime, mtime }) =>
      [atime, mtime].map((time) => Option.getOrThrow(time).toISOString())
    )
    yield* fs.utimes(at("f"), new Date("2001-02-03T04:05:06Z"), 1_000_000_000)
    assert.deepStrictEqual(yield* times, ["2001-02-03T04:05:06.000Z", "2001-09-09T01:46:40.000Z"])
    yield* fs.utimes(at("f"), 0, new Date("2038-01-20T00:00:00Z"))
    assert.deepStrictEqual(yield* times, ["1970-01-01T00:00:00.000Z", "2038-01-20T00:00:00.000Z"])
    yield* fs.utimes(at("f"), 1.25, new Date(2500))
    assert.deepStrictEqual(
      yield* times,
      wholeSeconds
        ? ["1970-01-01T00:00:01.000Z", "1970-01-01T00:00:02.000Z"]
        : ["1970-01-01T00:00:01.250Z", "1970-01-01T00:00:02.500Z"]
    )
  }),
  test("symbolic links hold any text; realPath follows all of them", function* ({ at, fs }) {
    yield* fs.makeDirectory(at("d"))
    yield* fs.symlink("d", at("one"))
    yield* fs.symlink("one/../one", at("two"))
    assert.strictEqual(yield* fs.readLink(at("two")), "one/../one")
    assert.strictEqual(yield* fs.realPath(at("two")), yield* fs.realPath(at("d")))
    yield* fs.symlink("-no where\n", at("three"))
    assert.strictEqual(yield* fs.readLink(at("three")), "-no where\n")
  }),
  test("rename moves, over a file that is there too, and a directory over an empty one", function* ({ at, fs }) {
    yield* fs.writeFileString(at("a"), "a")
    yield* fs.writeFileString(at("b"), "b")
    yield* fs.rename(at("a"), at("b"))
    assert.deepStrictEqual([yield* fs.exists(at("a")), yield* fs.readFileString(at("b"))], [false, "a"])
    yield* fs.rename(at("b"), at("b"))
    yield* fs.makeDirectory(at("d/e"), { recursive: true })
    yield* fs.makeDirectory(at("empty"))
    yield* fs.rename(at("d"), at("empty"))
    assert.deepStrictEqual(yield* fs.readDirectory(at("empty")), ["e"])
    assert.isFalse(yield* fs.exists(at("d")))
  }),
  test("copyFile copies bytes and mode, over what was there", function* ({ at, fs, modeOf }) {
    yield* fs.writeFileString(at("a"), "a", { mode: 0o600 })
    yield* fs.writeFileString(at("b"), "before", { mode: 0o644 })
    yield* fs.chmod(at("a"), 0o751)
    yield* fs.copyFile(at("a"), at("b"))
    yield* fs.copyFile(at("a"), at("c"))
    yield* fs.copyFile(at("a"), at("a"))
    assert.deepStrictEqual([yield* fs.readFileString(at("b")), yield* fs.readFileString(at("c"))], ["a", "a"])
    assert.deepStrictEqual([yield* modeOf(at("b")), yield* modeOf(at("c"))], [0o751, 0o751])
  }),
  test("copy copies a tree with its modes, and the directories above it", function* ({ at, fs, modeOf }) {
    yield* fs.makeDirectory(at("tree/sub"), { recursive: true })
    yield* fs.writeFileString(at("tree/sub/f"), "f")
    yield* fs.chmod(at("tree/sub/f"), 0o666)
    yield* fs.chmod(at("tree/sub"), 0o777)
    yield* fs.symlink(at("tree/sub"), at("tree/l"))
    yield* fs.copy(at("tree"), at("new/a/b"))
    assert.strictEqual(yield* fs.readFileString(at("new/a/b/sub/f")), "f")
    assert.deepStrictEqual([yield* modeOf(at("new/a/b/sub")), yield* modeOf(at("new/a/b/sub/f"))], [0o777, 0o666])
    assert.strictEqual(yield* fs.readLink(at("new/a/b/l")), at("tree/sub"))
    yield* fs.copy(at("tree/sub/f"), at("other/f"))
    assert.strictEqual(yield* fs.readFileString(at("other/f")), "f")
    yield* fs.symlink(at("nowhere"), at("broken"))
    yield* fs.copy(at("broken"), at("copied"))
    assert.strictEqual(yield* fs.readLink(at("copied")), at("nowhere"))
  }),
  test("copy leaves what is there as it is, or with overwrite replaces it", function* ({ at, fs, modeOf }) {
    yield* fs.makeDirectory(at("tree/sub"), { recursive: true })
    yield* Effect.forEach(["tree/f", "tree/sub/g"], (path) => fs.writeFileString(at(path), "new", { mode: 0o640 }))
    yield* fs.makeDirectory(at("there/sub"), { recursive: true })
    yield* Effect.forEach(["there/f", "there/sub/mine"], (path) => fs.writeFileString(at(path), "old", { mode: 0o600 }))
    const all = Effect.forEach(["f", "sub/g", "sub/mine"], (path) => fs.readFileString(at(`there/${path}`)))
    yield* fs.copy(at("tree"), at("there"))
    assert.deepStrictEqual(yield* all, ["old", "new", "old"])
    yield* fs.copy(at("tree/f"), at("there/f"))
    assert.deepStrictEqual(yield* all, ["old", "new", "old"])
    yield* fs.copy(at("tree"), at("there"), { overwrite: true })
    assert.deepStrictEqual(yield* all, ["new", "new", "old"])
    assert.strictEqual(yield* modeOf(at("there/f")), 0o640)
    yield* fs.writeFileString(at("tree/f"), "newer")
    yield* fs.copy(at("tree/f"), at("there/f"), { overwrite: true })
    assert.strictEqual(yield* fs.readFileString(at("there/f")), "newer")
  }),
  test("copy keeps times where it is told to", function* ({ at, fs }) {
    yield* fs.makeDirectory(at("tree"))
    yield* fs.writeFileString(at("tree/f"), "")
    yield* fs.utimes(at("tree/f"), 1, 2)
    yield* fs.copy(at("tree"), at("kept"), { preserveTimestamps: true })
    const { mtime } = yield* fs.stat(at("kept/f"))
    assert.strictEqual(Option.getOrThrow(mtime).getTime(), 2000)
  }),
  test("remove removes a file or a link, with recursive a directory, with force what is not there", function* ({
    at,
    fs
  }) {
    yield* fs.makeDirectory(at("d/e"), { recursive: true })
    yield* fs.writeFileString(at("d/e/f"), "")
    yield* fs.symlink(at("d"), at("l"))
    yield* fs.remove(at("l"), { recursive: true })
    assert.isTrue(yield* fs.exists(at("d/e/f")))
    yield* fs.symlink("nowhere", at("broken"))
    yield* fs.remove(at("broken"))
    yield* fs.remove(at("d/e/f"))
    yield* fs.remove(at("d"), { recursive: true })
    yield* fs.remove(at("d"), { recursive: true, force: true })
    yield* fs.remove(at("d"), { force: true })
    assert.deepStrictEqual(yield* fs.readDirectory(at(".")), [])
  }),
  test("temporary directories and files are new, private, and named as asked for", function* ({ at, fs, modeOf }) {
    const [one, other] = [
      yield* fs.makeTempDirectory({ directory: at("."), prefix: "p" }),
      yield* fs.makeTempDirectory({ directory: at("."), prefix: "p" })
    ]
    assert.notStrictEqual(one, other)
    assert.strictEqual(yield* modeOf(one), 0o700)
    assert.match(one.slice(one.lastIndexOf("/")), /^\/p[A-Za-z0-9]{6}$/)
    const file = yield* fs.makeTempFile({ directory: at("."), suffix: ".txt" })
    assert.match(file, /\.txt$/)
    assert.strictEqual(yield* fs.readFileString(file), "")
    const scope = yield* Scope.make()
    const somewhere = yield* Scope.provide(fs.makeTempFileScoped({ prefix: "scoped " }), scope)
    const here = yield* Scope.provide(fs.makeTempDirectoryScoped({ directory: at(".") }), scope)
    yield* fs.writeFileString(`${here}/f`, "")
    yield* fs.writeFileString(somewhere, "text")
    yield* Scope.close(scope, Exit.void)
    assert.deepStrictEqual([yield* fs.exists(somewhere), yield* fs.exists(here)], [false, false])
  })
]
