/** What `--json` prints: of the documented form, exact, and the same however the bytes came. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ExecEvent } from "effect-exec"
import { LocalExec } from "@effect-exec/local"
import * as Json from "../src/json.ts"
import type { JsonEvent } from "../src/jsonEvent.ts"
import { events, texts } from "./support.ts"

type Output = Extract<JsonEvent, { readonly offset: number }>

const isOutput = (event: JsonEvent): event is Output => event.type === "stdout" || event.type === "stderr"

const bytesOf = ({ base64, text }: Output): Buffer =>
  text === undefined ? Buffer.from(base64!, "base64") : Buffer.from(text)

layer(LocalExec.layer, { excludeTestServices: true })("effect-exec --json", (it) => {
  it.effect("run prints one line: how it ended, and all that it wrote", () =>
    Effect.gen(function* () {
      const script = "echo out; printf 'err \\377' >&2; kill -KILL $$"
      const { exitCode, stderr, stdout } = yield* texts(["run", "--json", "--", "sh", "-c", script])
      const [result, ...more] = events(stdout)
      assert.deepStrictEqual([exitCode, stderr, more], [137, "", []])
      assert.isTrue(result?.type === "result")
      const { durationMs: _, pid: __, ...rest } = result as Extract<JsonEvent, { type: "result" }>
      assert.deepStrictEqual(rest, {
        type: "result",
        exitCode: 137,
        signal: "SIGKILL",
        endedBy: "self",
        incomplete: false,
        truncated: false,
        stdout: "out\n",
        stderrBase64: Buffer.from("err \xff", "latin1").toString("base64")
      })
    })
  )

  it.effect("stream prints a line for each event, in their order, with offsets without a gap", () =>
    Effect.gen(function* () {
      const script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; printf '\\303'; sleep 0.1; printf '\\251'; exit 3"
      const { exitCode, stdout } = yield* texts(["stream", "--json", "--", "sh", "-c", script])
      const all = events(stdout)
      assert.deepStrictEqual(
        all.map((event) => (isOutput(event) ? [event.type, event.offset, event.text] : event.type)),
        ["started", ["stdout", 0, "one\n"], ["stderr", 4, "two\n"], ["stdout", 8, "é"], "exited"]
      )
      const last = all.at(-1) as Extract<JsonEvent, { type: "exited" }>
      assert.deepStrictEqual([exitCode, last.exitCode, last.endedBy], [3, 3, "self"])
    })
  )

  it.effect("a limit that ended it is told, and its exit code is this program's", () =>
    Effect.gen(function* () {
      for (const [flags, endedBy, code] of [
        [["--timeout", "200ms", "sleep", "60"], "timeout", 124],
        [["--max-output", "1kB", "yes"], "maxOutput", 125]
      ] as const) {
        for (const verb of ["run", "stream"]) {
          const { exitCode, stdout } = yield* texts([verb, "--json", ...flags])
          const end = events(stdout).at(-1) as Extract<JsonEvent, { type: "exited" | "result" }>
          assert.deepStrictEqual([end.endedBy, end.exitCode, exitCode], [endedBy, code, code])
        }
      }
    })
  )

  it.effect("what could not be started is an event with the reason", () =>
    Effect.gen(function* () {
      for (const verb of ["run", "stream"]) {
        const { exitCode, stderr, stdout } = yield* texts([verb, "--json", "no-such-program"])
        const [error] = events(stdout)
        assert.deepStrictEqual([exitCode, stderr], [127, ""])
        assert.deepInclude(error, { type: "error", reason: "CommandNotFound", exitCode: 127, retryable: false })
      }
    })
  )
})

describe("the lines of a process", () => {
  // Characters of one to four bytes, and bytes that are none.
  const Piece = Schema.Literals(["a", "é", "€", "😀", "\xff", "\xe2\x82"])
  const bytesOfPiece = (piece: typeof Piece.Type) =>
    piece === "\xff" || piece === "\xe2\x82" ? Buffer.from(piece, "latin1") : Buffer.from(piece)
  const Chunk = Schema.Struct({ fd: Schema.Literals([1, 2]), size: Schema.Literals([1, 2, 3, 7]) })

  it.effect.prop(
    "are the same bytes at the same offsets, however they were cut; and text is never cut in a character",
    [
      Arbitrary.array(Arbitrary.schema(Piece), { maxLength: 30 }),
      Arbitrary.array(Arbitrary.schema(Chunk), { maxLength: 40 })
    ],
    ([pieces, chunks]) =>
      Effect.sync(() => {
        const all = Buffer.concat(pieces.map(bytesOfPiece))
        const lines = new Json.Events()
        const printed: Array<JsonEvent> = []
        const given = { stdout: "", stderr: "" }
        let offset = 0
        for (const { fd, size } of chunks) {
          const bytes = all.subarray(offset, offset + size)
          if (bytes.length === 0) break
          const event: ExecEvent.ExecEvent = { _tag: fd === 1 ? "Stdout" : "Stderr", offset, bytes }
          given[fd === 1 ? "stdout" : "stderr"] += bytes.toString("latin1")
          printed.push(...lines.of(event))
          offset += bytes.length
        }
        printed.push(...lines.rest())
        const outputs = printed.filter(isOutput)
        let expected = 0
        for (const event of outputs) {
          assert.strictEqual(event.offset, expected)
          expected += bytesOf(event).length
        }
        assert.strictEqual(expected, offset)
        for (const type of ["stdout", "stderr"] as const) {
          const bytes = Buffer.concat(outputs.filter((event) => event.type === type).map(bytesOf))
          assert.strictEqual(bytes.toString("latin1"), given[type])
        }
        for (const { text } of outputs) assert.notInclude(text ?? "", "\ufffd")
      }),
    { arbitrary: { runs: 500 } }
  )

  it("keep a character whole that came in four pieces", () => {
    const lines = new Json.Events()
    const bytes = Buffer.from("x😀y")
    const printed = Array.from(bytes, (_, at) =>
      lines.of({ _tag: "Stdout", offset: at, bytes: bytes.subarray(at, at + 1) })
    ).flat()
    assert.deepStrictEqual(
      printed.map((event) => (event as Output).text),
      ["x", "😀", "y"]
    )
  })
})
