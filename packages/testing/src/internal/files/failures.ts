/**
 * What cannot be done, and the reason for it.
 */
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import type { PlatformError, SystemErrorTag } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { failsWith } from "../spawner/kit.ts"
import { encode } from "../web.ts"
import { test, together, type Kit, type Test } from "./kit.ts"

type Tag = SystemErrorTag | "BadArgument"
type Attempt = (fs: FileSystem, at: Kit["at"]) => Effect.Effect<unknown, PlatformError>

/** `d` and `full/f` are directories and a file, `f` is a file, `loop` leads to itself, `broken` and `no` nowhere. */
const attempts: ReadonlyArray<readonly [what: string, tag: Tag, attempt: Attempt]> = [
  ["access to nothing", "NotFound", (fs, at) => fs.access(at("no"))],
  ["access below a file", "BadResource", (fs, at) => fs.access(at("f/x"))],
  ["exists below a file", "BadResource", (fs, at) => fs.exists(at("f/x"))],
  ["exists of a link that leads to itself", "BadResource", (fs, at) => fs.exists(at("loop"))],
  ["reading nothing", "NotFound", (fs, at) => fs.readFile(at("no"))],
  ["reading a directory", "BadResource", (fs, at) => fs.readFile(at("d"))],
  ["reading below a file", "BadResource", (fs, at) => fs.readFile(at("f/x"))],
  ["reading a link that leads to itself", "BadResource", (fs, at) => fs.readFile(at("loop"))],
  ["reading a link that leads nowhere", "NotFound", (fs, at) => fs.readFileString(at("broken"))],
  ["streaming nothing", "NotFound", (fs, at) => Stream.runDrain(fs.stream(at("no")))],
  ["streaming a part of nothing", "NotFound", (fs, at) => Stream.runDrain(fs.stream(at("no"), { offset: 1 }))],
  ["streaming a directory", "BadResource", (fs, at) => Stream.runDrain(fs.stream(at("d")))],
  [
    "streaming chunks of less than nothing",
    "BadArgument",
    (fs, at) => Stream.runDrain(fs.stream(at("f"), { chunkSize: -1 }))
  ],
  ["writing a directory", "BadResource", (fs, at) => fs.writeFileString(at("d"), "x")],
  ["writing into no directory", "NotFound", (fs, at) => fs.writeFileString(at("no/x"), "x")],
  [
    "writing into no directory with a mode",
    "NotFound",
    (fs, at) => fs.writeFileString(at("no/x"), "x", { mode: 0o600 })
  ],
  ["writing below a file", "BadResource", (fs, at) => fs.writeFileString(at("f/x"), "x", { mode: 0o600 })],
  ["creating what is there", "AlreadyExists", (fs, at) => fs.writeFileString(at("f"), "x", { flag: "wx" })],
  ["creating a directory as a file", "AlreadyExists", (fs, at) => fs.writeFileString(at("d"), "x", { flag: "ax" })],
  [
    "creating a link that leads nowhere",
    "AlreadyExists",
    (fs, at) => fs.writeFileString(at("broken"), "x", { flag: "wx" })
  ],
  ["creating in no directory", "NotFound", (fs, at) => fs.writeFileString(at("no/x"), "x", { flag: "wx" })],
  ["creating below a file", "BadResource", (fs, at) => fs.writeFileString(at("f/x"), "x", { flag: "wx" })],
  ["overwriting nothing", "NotFound", (fs, at) => fs.writeFileString(at("no"), "x", { flag: "r+" })],
  ["writing what is open for reading", "Unknown", (fs, at) => fs.writeFileString(at("f"), "x", { flag: "r" })],
  ["a sink into no directory", "NotFound", (fs, at) => Stream.run(Stream.make(encode("x")), fs.sink(at("no/x")))],
  [
    "a sink into no directory, with nothing for it",
    "NotFound",
    (fs, at) => Stream.run(Stream.empty, fs.sink(at("no/x")))
  ],
  ["making a directory that is there", "AlreadyExists", (fs, at) => fs.makeDirectory(at("d"))],
  ["making a directory of a file", "AlreadyExists", (fs, at) => fs.makeDirectory(at("f"), { recursive: true })],
  ["making a directory in none", "NotFound", (fs, at) => fs.makeDirectory(at("no/x"))],
  ["making a directory below a file", "BadResource", (fs, at) => fs.makeDirectory(at("f/x"), { recursive: true })],
  ["listing nothing", "NotFound", (fs, at) => fs.readDirectory(at("no"))],
  ["listing a file", "BadResource", (fs, at) => fs.readDirectory(at("f"))],
  ["listing the entries of a file", "BadResource", (fs, at) => fs.readDirectoryEntries(at("f"))],
  ["stat of nothing", "NotFound", (fs, at) => fs.stat(at("no"))],
  ["stat of a link that leads nowhere", "NotFound", (fs, at) => fs.stat(at("broken"))],
  ["lstat below a file", "BadResource", (fs, at) => fs.lstat(at("f/x"))],
  ["removing nothing", "NotFound", (fs, at) => fs.remove(at("no"))],
  ["removing nothing recursively", "NotFound", (fs, at) => fs.remove(at("no"), { recursive: true })],
  ["removing below a file, with force", "BadResource", (fs, at) => fs.remove(at("f/x"), { force: true })],
  ["removing a directory as a file", "Unknown", (fs, at) => fs.remove(at("d"))],
  ["renaming nothing", "NotFound", (fs, at) => fs.rename(at("no"), at("x"))],
  ["renaming a file over a directory", "BadResource", (fs, at) => fs.rename(at("f"), at("d"))],
  ["renaming a directory over a file", "BadResource", (fs, at) => fs.rename(at("d"), at("f"))],
  ["renaming over a directory that is not empty", "Unknown", (fs, at) => fs.rename(at("d"), at("full"))],
  ["renaming into no directory", "NotFound", (fs, at) => fs.rename(at("f"), at("no/x"))],
  ["copying nothing", "NotFound", (fs, at) => fs.copy(at("no"), at("x"))],
  ["copying a file over a directory", "Unknown", (fs, at) => fs.copy(at("f"), at("d"))],
  ["copying a directory over a file", "Unknown", (fs, at) => fs.copy(at("d"), at("f"))],
  ["copying a directory into itself", "Unknown", (fs, at) => fs.copy(at("d"), at("d/in"))],
  ["copying a directory onto itself", "Unknown", (fs, at) => fs.copy(at("full"), at("full"))],
  ["copying a file onto itself", "Unknown", (fs, at) => fs.copy(at("f"), at("f"))],
  ["copying the file nothing", "NotFound", (fs, at) => fs.copyFile(at("no"), at("x"))],
  ["copying a directory as a file", "BadResource", (fs, at) => fs.copyFile(at("d"), at("x"))],
  ["copying a file onto a directory", "BadResource", (fs, at) => fs.copyFile(at("f"), at("d"))],
  ["copying a file into no directory", "NotFound", (fs, at) => fs.copyFile(at("f"), at("no/x"))],
  ["a symbolic link where there is a file", "AlreadyExists", (fs, at) => fs.symlink("x", at("f"))],
  ["a symbolic link where there is a directory", "AlreadyExists", (fs, at) => fs.symlink("x", at("d"))],
  ["a symbolic link to nothing at all", "NotFound", (fs, at) => fs.symlink("", at("x"))],
  ["a link to nothing", "NotFound", (fs, at) => fs.link(at("no"), at("x"))],
  ["a link to a directory", "PermissionDenied", (fs, at) => fs.link(at("d"), at("x"))],
  ["a link where there is a file", "AlreadyExists", (fs, at) => fs.link(at("f"), at("full/f"))],
  ["where a file links to", "Unknown", (fs, at) => fs.readLink(at("f"))],
  ["where nothing links to", "NotFound", (fs, at) => fs.readLink(at("no"))],
  ["the real path of nothing", "NotFound", (fs, at) => fs.realPath(at("no"))],
  ["the real path of a link that leads nowhere", "NotFound", (fs, at) => fs.realPath(at("broken"))],
  ["the real path of a link that leads to itself", "BadResource", (fs, at) => fs.realPath(at("loop"))],
  ["chmod of nothing", "NotFound", (fs, at) => fs.chmod(at("no"), 0o600)],
  ["chmod to half a bit", "BadArgument", (fs, at) => fs.chmod(at("f"), 1.5)],
  ["chown of nothing", "NotFound", (fs, at) => fs.chown(at("no"), 0, 0)],
  ["times of nothing", "NotFound", (fs, at) => fs.utimes(at("no"), 1, 1)],
  ["truncating nothing", "NotFound", (fs, at) => fs.truncate(at("no"))],
  ["truncating a directory", "BadResource", (fs, at) => fs.truncate(at("d"))],
  ["a temporary directory in none", "NotFound", (fs, at) => fs.makeTempDirectory({ directory: at("no") })],
  ["a temporary file in none", "NotFound", (fs, at) => fs.makeTempFile({ directory: at("no") })],
  ["an empty path", "NotFound", (fs) => fs.readFile("")],
  ["a NUL in a path", "BadArgument", (fs, at) => fs.readFile(at("\0"))],
  ["a NUL in a path to write to", "BadArgument", (fs, at) => fs.writeFileString(at("\0"), "x")],
  ["a NUL in a second path", "BadArgument", (fs, at) => fs.rename(at("f"), at("\0"))]
]

const there = ["broken", "d", "f", "full", "loop"]

/** Failures. */
export const failures: ReadonlyArray<Test> = [
  {
    title: "what fails is tried where there are directories, files and links",
    body: together(function* ({ at, fs }) {
      yield* fs.makeDirectory(at("failing/d"), { recursive: true })
      yield* fs.makeDirectory(at("failing/full"))
      yield* fs.writeFileString(at("failing/full/f"), "")
      yield* fs.writeFileString(at("failing/f"), "text")
      yield* fs.symlink("loop", at("failing/loop"))
      yield* fs.symlink("nowhere", at("failing/broken"))
    })
  },
  ...attempts.map(([what, tag, attempt]) => ({
    title: `${what} is ${tag}`,
    body: together(function* ({ at, fs }) {
      const { reason } = yield* failsWith(
        attempt(fs, (name) => at(`failing/${name}`)),
        tag
      )
      assert.strictEqual(reason.module, "FileSystem")
    })
  })),
  {
    title: "what failed changed nothing",
    body: together(function* ({ at, fs }) {
      assert.deepStrictEqual((yield* fs.readDirectory(at("failing"))).toSorted(), there)
      assert.strictEqual(yield* fs.readFileString(at("failing/f")), "text")
      assert.deepStrictEqual(yield* fs.readDirectory(at("failing/d")), [])
    })
  },
  test("what this user may not do is PermissionDenied", function* ({ at, fs, isRoot }) {
    // Nothing is forbidden to root.
    if (isRoot) return
    yield* fs.makeDirectory(at("locked"))
    yield* fs.writeFileString(at("locked/f"), "")
    yield* fs.writeFileString(at("unreadable"), "", { mode: 0o200 })
    yield* fs.writeFileString(at("unwritable"), "", { mode: 0o400 })
    yield* fs.chmod(at("locked"), 0o600)
    yield* Effect.forEach(
      [
        fs.readFile(at("unreadable")),
        fs.access(at("unreadable"), { readable: true }),
        fs.access(at("unwritable"), { writable: true }),
        fs.writeFileString(at("unwritable"), "x"),
        fs.writeFileString(at("unwritable"), "x", { flag: "a" }),
        fs.stat(at("locked/f")),
        fs.exists(at("locked/f")),
        fs.remove(at("locked/f")),
        fs.writeFileString(at("locked/new"), "x"),
        fs.writeFileString(at("locked/new"), "x", { flag: "wx" }),
        fs.makeDirectory(at("locked/new")),
        fs.chown(at("unwritable"), 0, 0),
        fs.chmod("/tmp", 0o1777),
        fs.utimes("/tmp", 1, 1)
      ],
      (denied) => failsWith(denied, "PermissionDenied")
    )
    yield* fs.chmod(at("locked"), 0o700)
  }),
  test("an error says which method failed, and where", function* ({ at, fs }) {
    const no = at("no")
    const told: ReadonlyArray<readonly [method: string, failing: Effect.Effect<unknown, PlatformError>]> = [
      ["access", fs.access(no)],
      ["chmod", fs.chmod(no, 0o600)],
      ["chown", fs.chown(no, 0, 0)],
      ["copy", fs.copy(no, at("x"))],
      ["copyFile", fs.copyFile(no, at("x"))],
      ["link", fs.link(no, at("x"))],
      ["lstat", fs.lstat(no)],
      ["readDirectory", fs.readDirectory(no)],
      ["readDirectoryEntries", fs.readDirectoryEntries(no)],
      ["readFile", fs.readFileString(no)],
      ["readLink", fs.readLink(no)],
      ["realPath", fs.realPath(no)],
      ["remove", fs.remove(no)],
      ["rename", fs.rename(no, at("x"))],
      ["stat", fs.stat(no)],
      ["truncate", fs.truncate(no)],
      ["utime", fs.utimes(no, 1, 1)]
    ]
    yield* Effect.forEach(told, ([method, failing]) =>
      Effect.map(failsWith(failing, "NotFound"), ({ reason }) =>
        assert.deepInclude(reason, { module: "FileSystem", method, pathOrDescriptor: no })
      )
    )
    for (const [method, failing] of [
      ["makeDirectory", fs.makeDirectory(at("no/x"))],
      ["writeFile", fs.writeFileString(at("no/x"), "")]
    ] as const) {
      const { reason } = yield* failsWith(failing, "NotFound")
      assert.deepInclude(reason, { module: "FileSystem", method, pathOrDescriptor: at("no/x") })
    }
    // Of a temporary one only where it was to be: the rest of its name is chance.
    for (const [method, failing] of [
      ["makeTempDirectory", fs.makeTempDirectory({ directory: no })],
      ["makeTempDirectoryScoped", fs.makeTempDirectoryScoped({ directory: no })],
      ["makeTempFile", fs.makeTempFile({ directory: no })],
      ["makeTempFileScoped", fs.makeTempFileScoped({ directory: no })]
    ] as const) {
      const { reason } = yield* failsWith(failing, "NotFound")
      if (reason._tag === "BadArgument") return assert.fail()
      assert.strictEqual(reason.method, method)
      assert.strictEqual(String(reason.pathOrDescriptor).replace(/\/$/, ""), no)
    }
  })
]
