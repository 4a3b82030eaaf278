/** Archives: what is packed is what is unpacked, however it is cut; what is cut off, or too long, is said. */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema, Stream } from "effect"
import { packTar } from "modern-tar"
import * as Tar from "../src/internal/tar.ts"

const cut = (bytes: Uint8Array, size: number): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => bytes.subarray(index * size, (index + 1) * size))

const readable = (chunks: ReadonlyArray<Uint8Array>) => Stream.toReadableStream(Stream.fromIterable(chunks))

const collect = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => new Uint8Array(Buffer.concat(chunks)))

const read = (archive: Uint8Array, size: number) => collect(Tar.file(Stream.fromIterable(cut(archive, size))))

const pack = (name: string, bytes: Uint8Array, size: number, chunk: number) =>
  collect(
    Stream.fromAsyncIterable(
      Tar.pack({ name, size }, readable(cut(bytes, chunk)), new AbortController().signal),
      (cause) => (cause as Error).message
    )
  )

const names = Arbitrary.schema(Schema.Literals(["a", "ä", "x".repeat(99), "x".repeat(101), "ü".repeat(80)]))
const sizes = Arbitrary.schema(Schema.Literals([1, 7, 511, 512, 513, 10_000]))

describe("tar", () => {
  it.effect.prop("a file comes out as it went in", [names, Schema.Uint8Array, sizes], ([name, bytes, chunk]) =>
    Effect.gen(function* () {
      const archive = yield* pack(name, bytes, bytes.length, chunk)
      assert.deepStrictEqual(yield* read(archive, chunk), bytes)
      const end = 1024 + (512 - (bytes.length % 512 || 512))
      if (bytes.length > 0) {
        const short = yield* Effect.flip(read(archive.subarray(0, archive.length - end - 1), chunk))
        assert.deepInclude(short, { _tag: "NotAFile", type: "archive" })
      }
    })
  )

  it.effect("bytes of another size than was said make no archive", () =>
    Effect.gen(function* () {
      assert.match(yield* Effect.flip(pack("a", new Uint8Array(100), 99, 10)), /size/)
      assert.match(yield* Effect.flip(pack("a", new Uint8Array(100), 101, 10)), /[Ss]ize/)
    })
  )

  it.effect("what is no file says what it is, and an error on the way is its own", () =>
    Effect.gen(function* () {
      const link = { name: "l", type: "symlink", linkname: "a", size: 0 } as const
      for (const header of [link, { name: "d", type: "directory", size: 0 } as const]) {
        const archive = yield* Effect.promise(() => packTar([{ header }]))
        assert.deepInclude(yield* Effect.flip(read(archive, 512)), { _tag: "NotAFile", type: header.type })
      }
      const archive = yield* pack("a", new Uint8Array(1000), 1000, 1000)
      const broken = Stream.concat(Stream.succeed(archive.subarray(0, 600)), Stream.fail("mine"))
      assert.strictEqual(yield* Effect.flip(collect(Tar.file(broken))), "mine")
    })
  )
})
