/** Archives: what is packed is what is unpacked, however it is cut, and what tar itself makes of it. */
import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema, Stream } from "effect"
import * as Tar from "../src/internal/tar.ts"
import { entries } from "../src/internal/untar.ts"

const cut = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

const read = (archive: Uint8Array, size: number) =>
  Effect.map(
    Stream.runCollect(entries(Stream.fromIterable(cut(archive, size)))),
    (chunks) => new Uint8Array(Buffer.concat(chunks))
  )

const names = Arbitrary.schema(Schema.Literals(["a", "ä", "x".repeat(99), "x".repeat(101), "ü".repeat(80)]))
const sizes = Arbitrary.schema(Schema.Literals([1, 7, 511, 512, 513, 10_000]))

describe("tar", () => {
  it.effect.prop("a file comes out as it went in", [names, Schema.Uint8Array, sizes], ([name, bytes, size]) =>
    Effect.gen(function* () {
      const archive = Tar.archive(Tar.file({ name, mode: 0o644, uid: 1, gid: 2 }, bytes))
      assert.strictEqual(archive.length % 512, 0)
      assert.deepStrictEqual(yield* read(archive, size), bytes)
      const short = yield* Effect.flip(read(archive.subarray(0, archive.length - 1024 - 512), size))
      assert.strictEqual(short.reason._tag, "BadResource")
    })
  )

  it("tar understands it", () => {
    const name = `${"ü".repeat(80)}.txt`
    const file = Tar.file({ name, mode: 0o640, uid: 1234, gid: 5 }, new TextEncoder().encode("hello"))
    const input = Tar.archive(file, Tar.directory({ name: "d", mode: 0o755, uid: 0, gid: 0 }))
    const options = { input, encoding: "utf8" as const, env: { ...process.env, LC_ALL: "C.UTF-8" } }
    const list = execFileSync("tar", ["--numeric-owner", "-tvf", "-"], options)
    assert.match(list, /^-rw-r----- 1234\/5 +5 .*ü\.txt\ndrwxr-xr-x 0\/0 .* d\/?\n$/)
  })
})
