/**
 * Watching a command: events, their order, text, backpressure.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import * as Exec from "effect-exec/Exec"
import { ExecEvent } from "effect-exec/ExecEvent"
import * as ExecResult from "effect-exec/ExecResult"
import type { Process } from "effect-exec/Process"
import * as ProcessId from "effect-exec/ProcessId"
import { toOctal } from "../bytes.ts"
import { encode, residentMemory } from "../web.ts"
import * as Sha256 from "../sha256.ts"
import { type Chapter, testOf, when } from "./case.ts"
import { collect, eventually, follow, numberLines, outputOf, sameBytes } from "./facts.ts"

const MiB = 1024 * 1024

/** Makes the puppet write these bytes. */
const say = (process: Process, bytes: string | ReadonlyArray<number>, verb: "out" | "err" = "out") =>
  process.write(`${verb} ${toOctal(typeof bytes === "string" ? encode(bytes) : Uint8Array.from(bytes))}\n`)

/** C20, C21, C25: events. */
export const events: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C20 Started is first, Exited is last, offsets have no hole, all survive a JSON round trip", ({ exec }) =>
      Effect.gen(function* () {
        const id = yield* ProcessId.random
        const seen = yield* collect(exec.stream(fixtures.numbers(60_000, "both"), { id }))
        const [first] = seen
        if (first?._tag !== "Started") return assert.fail(`the first event is ${first?._tag}`)
        assert.strictEqual(first.id, id)
        assert.isAbove(first.pid, 0)
        let offset = 0
        for (const event of seen.slice(1, -1)) {
          if (event._tag !== "Stdout" && event._tag !== "Stderr") return assert.fail(`${event._tag} in between`)
          assert.strictEqual(event.offset, offset)
          assert.isAbove(event.bytes.length, 0)
          offset += event.bytes.length
        }
        const last = seen.at(-1)
        if (last?._tag !== "Exited") return assert.fail(`the last event is ${last?._tag}`)
        assert.deepStrictEqual(last.status, { _tag: "Exited", code: 0 })
        assert.strictEqual(last.endedBy, "self")
        assert.isFalse(last.incomplete)
        const json = Schema.toCodecJson(ExecEvent)
        for (const event of [first, seen[1]!, last]) {
          const back = Schema.decodeUnknownSync(json)(JSON.parse(JSON.stringify(Schema.encodeSync(json)(event))))
          assert.deepStrictEqual(back, event)
        }
      })),
    test("C20 a command without output is Started and Exited", ({ exec }) =>
      Effect.map(collect(exec.stream(fixtures.exit(3))), (seen) => {
        assert.deepStrictEqual(
          seen.map(({ _tag }) => _tag),
          ["Started", "Exited"]
        )
      })),
    test("C20 endedBy tells who ended it", ({ exec }) =>
      Effect.gen(function* () {
        const endOf = (stream: Stream.Stream<ExecEvent, unknown>) =>
          Effect.flatMap(follow(stream), ({ ended }) => ended)
        assert.strictEqual((yield* endOf(exec.stream(fixtures.exit(1)))).endedBy, "self")
        assert.strictEqual((yield* endOf(exec.stream(fixtures.killSelf("TERM")))).endedBy, "self")
        assert.strictEqual((yield* endOf(exec.stream(fixtures.hang, { timeout: 300 }))).endedBy, "timeout")
        assert.strictEqual((yield* endOf(exec.stream(fixtures.flood(), { maxOutput: 10 }))).endedBy, "maxOutput")
        const process = yield* exec.spawn(fixtures.hang)
        const seen = yield* follow(process.events)
        yield* seen.sees("READY\n")
        yield* process.kill()
        assert.strictEqual((yield* seen.ended).endedBy, "signal")
      })),
    test("C20 a stream can be run again, and starts the command again", ({ exec }) =>
      Effect.gen(function* () {
        const stream = exec.stream(fixtures.echo(["x"]))
        const [one, two] = yield* Effect.all([collect(stream), collect(stream)])
        const pid = (seen: typeof one) => (seen[0]?._tag === "Started" ? seen[0].pid : 0)
        assert.notStrictEqual(pid(one), pid(two))
        sameBytes(outputOf(one, "Stdout"), outputOf(two, "Stdout"), "the second run")
      })),
    test("C20 the events of a handle go on where they were left", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.numbers(100_000))
        const first = yield* Stream.runCollect(Stream.take(process.events, 3))
        const rest = yield* collect(process.events)
        const all = [...first, ...rest]
        sameBytes(outputOf(all, "Stdout"), encode(numberLines(1, 100_000)), "both parts")
        assert.strictEqual(all.filter(({ _tag }) => _tag === "Started").length, 1)
        assert.strictEqual(all.filter(({ _tag }) => _tag === "Exited").length, 1)
        assert.strictEqual(all.at(-1)?._tag, "Exited")
      })),
    test("C20 an interrupted reader loses and doubles nothing", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.numbers(150_000))
        const all: Array<ExecEvent> = []
        const read = Stream.runForEach(process.events, (event) => Effect.sync(() => all.push(event)))
        let rounds = 0
        while (all.at(-1)?._tag !== "Exited" && rounds++ < 5000) yield* Effect.timeoutOption(read, rounds % 4)
        sameBytes(outputOf(all, "Stdout"), encode(numberLines(1, 150_000)), "all parts")
      })),
    test("C21 random bytes on stdout arrive with the same hash", ({ exec }) =>
      Effect.map(exec.run(fixtures.random(3 * MiB, 1)), (result) => {
        const hash = Sha256.make()
        hash.update(result.stdoutBytes)
        assert.strictEqual(result.stdoutBytes.length, 3 * MiB)
        assert.strictEqual(hash.digest(), result.stderr.slice(0, 64))
      })),
    test("C21 random bytes on stderr arrive with the same hash", ({ exec }) =>
      Effect.map(exec.run(fixtures.random(3 * MiB, 2)), (result) => {
        const hash = Sha256.make()
        hash.update(result.stderrBytes)
        assert.strictEqual(result.stderrBytes.length, 3 * MiB)
        assert.strictEqual(hash.digest(), result.stdout.slice(0, 64))
      })),
    test("C25 collecting the events gives what run gives", ({ exec }) =>
      Effect.gen(function* () {
        const options = { timeout: 20_000, maxOutput: 200_000 }
        for (const command of [
          fixtures.numbers(10_000, "both"),
          fixtures.exit(7),
          fixtures.killSelf("KILL"),
          // Endless, so that it cannot have ended by itself before it is ended.
          fixtures.flood()
        ]) {
          const ran = yield* exec.run(command, options)
          const collected = yield* Stream.run(exec.stream(command, options), ExecResult.collect)
          assert.deepStrictEqual(collected.status, ran.status)
          assert.strictEqual(collected.endedBy, ran.endedBy)
          assert.strictEqual(collected.truncated, ran.truncated)
          // What still comes after the cap is waited for only so long.
          if (!ran.truncated) assert.strictEqual(collected.incomplete, ran.incomplete)
          assert.strictEqual(collected.ok, ran.ok)
          sameBytes(collected.stdoutBytes, ran.stdoutBytes, "stdout")
          sameBytes(collected.stderrBytes, ran.stderrBytes, "stderr")
        }
      }))
  ]
}

/** C20, C22 with a process that writes what it is told: order, and text. */
export const text: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  const puppet = (exec: Exec.Exec["Service"]) => exec.spawn(fixtures.puppet, { stdin: "open" })
  return when(target.capabilities.stdin !== "none", () => [
    test("C20 the two streams come in the order in which they were observed", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec)
        const seen = yield* follow(process.events)
        let count = 0
        for (const verb of ["out", "err", "err", "out", "err", "out"] as const) {
          yield* say(process, "x", verb)
          yield* seen.seesBytes(++count)
        }
        yield* process.closeStdin
        yield* seen.ended
        assert.deepStrictEqual(
          seen.events.flatMap(({ _tag }) => (_tag === "Stdout" || _tag === "Stderr" ? [_tag] : [])),
          ["Stdout", "Stderr", "Stderr", "Stdout", "Stderr", "Stdout"]
        )
      })),
    test("C22 a character that is split across writes is never broken, on either stream", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec)
        const all: Array<ExecEvent> = []
        const texts: Array<string> = []
        yield* process.events.pipe(
          Stream.tap((event) => Effect.sync(() => all.push(event))),
          Exec.text(),
          Stream.runForEach((part) => Effect.sync(() => texts.push(part))),
          Effect.forkScoped
        )
        const bytes = () => outputOf(all, "Stdout").length + outputOf(all, "Stderr").length
        const [a = 0, b = 0, c = 0, d = 0] = encode("🎈")
        const [x = 0, y = 0] = encode("é")
        const steps = [
          ["out", a],
          ["err", x],
          ["out", b],
          ["out", c],
          ["err", y],
          ["out", d]
        ] as const
        for (const [index, [verb, byte]] of steps.entries()) {
          yield* say(process, [byte], verb)
          yield* eventually(
            `byte ${index}`,
            Effect.sync(() => bytes() === index + 1)
          )
        }
        assert.strictEqual(texts.join(""), "é🎈")
        yield* say(process, [0x41, 0xff, 0x42])
        yield* eventually(
          "the invalid byte",
          Effect.sync(() => texts.join("") === "é🎈A\uFFFDB")
        )
        // The beginning of a character that never comes is invalid once the stream ends, and not before.
        yield* say(process, [0xe2, 0x82])
        yield* eventually(
          "its bytes",
          Effect.sync(() => bytes() === 11)
        )
        assert.strictEqual(texts.join(""), "é🎈A\uFFFDB")
        yield* process.closeStdin
        yield* eventually(
          "the end",
          Effect.sync(() => texts.join("") === "é🎈A\uFFFDB\uFFFD")
        )
      })),
    test("C22 lines are joined across chunks, split where they are too long, and one stream at a time", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* puppet(exec)
        const lines: Array<string> = []
        yield* process.events.pipe(
          (events) => Exec.lines(events, { of: "stdout", maxLength: 10 }),
          Stream.runForEach((line) => Effect.sync(() => lines.push(line))),
          Effect.forkScoped
        )
        const has = (...expected: ReadonlyArray<string>) =>
          eventually(
            () => `${JSON.stringify(expected)}; seen: ${JSON.stringify(lines)}`,
            Effect.sync(() => JSON.stringify(lines) === JSON.stringify(expected))
          )
        yield* say(process, "one\ntw")
        yield* has("one")
        yield* say(process, "not this\n", "err")
        yield* say(process, "o\n\n")
        yield* has("one", "two", "")
        yield* say(process, "0123456789abc\n")
        yield* eventually(
          "the long line",
          Effect.sync(() => lines.length === 5)
        )
        const [, , , head = "", tail = ""] = lines
        assert.isTrue(head.endsWith("…"))
        assert.strictEqual(head.slice(0, -1) + tail, "0123456789abc")
        yield* say(process, "last")
        yield* process.closeStdin
        yield* eventually(
          "the last line",
          Effect.sync(() => lines.at(-1) === "last")
        )
        assert.strictEqual(lines.length, 6)
      }))
  ])
}

/** C23: backpressure. */
export const backpressure: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C23 while nobody takes the next chunk the process waits; then the rest comes, whole", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.numbers(990_000))
        const first = yield* Stream.runCollect(Stream.take(process.events, 2))
        // More than all buffers on the way may hold: it cannot end before somebody reads.
        const ended = yield* Effect.timeoutOption(process.wait, 1000)
        assert.strictEqual(ended._tag, "None", "the process ended although nobody had read what it wrote")
        const rest = yield* collect(process.events)
        sameBytes(outputOf([...first, ...rest], "Stdout"), encode(numberLines(1, 990_000)), "stdout")
      })),
    test("C23 endless output and a consumer that stops: memory stays flat", ({ exec }) =>
      Effect.gen(function* () {
        const process = yield* exec.spawn(fixtures.flood())
        yield* Stream.runDrain(Stream.take(process.events, 3))
        const before = residentMemory()
        yield* Effect.sleep(1500)
        const after = residentMemory()
        // Unread, `yes` fills hundreds of megabytes in that time.
        if (before !== undefined) assert.isBelow(after! - before, 64 * MiB)
        assert.isTrue(yield* process.isRunning)
        const more = yield* Stream.runCollect(Stream.take(process.events, 5))
        assert.isAbove(outputOf(more, "Stdout").length, 0)
      })),
    test("C23 a slow consumer gets every byte in order", ({ exec }) =>
      Effect.gen(function* () {
        const parts: Array<ExecEvent> = []
        yield* exec.stream(fixtures.numbers(100_000)).pipe(
          Stream.runForEach((event) =>
            Effect.delay(
              Effect.sync(() => parts.push(event)),
              1
            )
          )
        )
        sameBytes(outputOf(parts, "Stdout"), encode(numberLines(1, 100_000)), "stdout")
        assert.strictEqual(parts.at(-1)?._tag, "Exited")
      }))
  ]
}
