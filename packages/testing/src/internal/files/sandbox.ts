/**
 * What the file system of a sandbox says it cannot do.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { failsWith } from "../spawner/kit.ts"
import { test, type Test } from "./kit.ts"

/** What only the file system of a sandbox does. */
export const sandbox: ReadonlyArray<Test> = [
  test("open is BadArgument, and says what to use", function* ({ at, fs }) {
    assert.include((yield* failsWith(fs.open(at("f")), "BadArgument")).message, "stream")
  }),
  test("watch is BadArgument", function* ({ at, fs }) {
    yield* failsWith(Stream.runDrain(fs.watch(at("."))), "BadArgument")
  }),
  test("a relative path that begins with a dash is a path", function* ({ fs }) {
    const name = "-rf effect-exec test"
    yield* Effect.acquireRelease(fs.makeDirectory(name), () => Effect.ignore(fs.remove(name, { recursive: true })))
    yield* fs.writeFileString(`${name}/f`, "text")
    assert.strictEqual(yield* fs.readFileString(`${name}/f`), "text")
    yield* fs.rename(`${name}/f`, `${name}/g`)
    assert.deepStrictEqual(yield* fs.readDirectory(name), ["g"])
    yield* fs.remove(name, { recursive: true })
    assert.isFalse(yield* fs.exists(name))
  }),
  test("a copied symbolic link says what it said", function* ({ at, fs }) {
    yield* fs.makeDirectory(at("d"))
    yield* fs.symlink("../f", at("d/l"))
    yield* fs.copy(at("d"), at("e"))
    yield* fs.copy(at("d/l"), at("m"))
    assert.deepStrictEqual([yield* fs.readLink(at("e/l")), yield* fs.readLink(at("m"))], ["../f", "../f"])
  }),
  test("a link that is overwritten with a link, or a file with one, is replaced", function* ({ at, fs }) {
    yield* fs.symlink("new", at("l"))
    yield* fs.writeFileString(at("f"), "old")
    yield* fs.copy(at("l"), at("f"), { overwrite: true })
    assert.strictEqual(yield* fs.readLink(at("f")), "new")
  }),
  test("a time before 1970 is set as it is", function* ({ at, fs, wholeSeconds }) {
    yield* fs.writeFileString(at("f"), "")
    yield* fs.utimes(at("f"), -3, new Date(-2500))
    const { atime, mtime } = yield* fs.stat(at("f"))
    const times = [atime, mtime].map((time) => Option.getOrThrow(time).getTime())
    assert.deepStrictEqual(times, [-3000, wholeSeconds ? -2000 : -2500])
  }),
  test("listing recursively does not follow symbolic links", function* ({ at, fs }) {
    yield* fs.makeDirectory(at("d"))
    yield* fs.symlink("..", at("d/up"))
    assert.deepStrictEqual(yield* fs.readDirectory(at("."), { recursive: true }), ["d", "d/up"])
  })
]
