/**
 * What is generated is valid, covers what matters, and shrinks to something that one can read.
 */
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Exit, Layer, Schema, Stream } from "effect"
import { Command, Exec, ExecError, ExecEvent, ExecResult } from "effect-exec"
import { FaultyExec, Generators, TestExec } from "@effect-exec/testing"

const sample = <A>(arbitrary: Arbitrary.Arbitrary<A>) => Arbitrary.sampleEffect(arbitrary, { count: 300, seed: 1 })

/** What a property that this predicate fails shrinks to. */
const shrunk = <A>(arbitrary: Arbitrary.Arbitrary<A>, isFine: (value: A) => boolean) =>
  Effect.map(Arbitrary.checkEffect(arbitrary, isFine, { seed: 1, runs: 500 }), (result) =>
    result._tag === "Falsified" ? result.shrunkInput : assert.fail(`it is ${result._tag}`)
  )

const total = (chunks: ReadonlyArray<Uint8Array>) => chunks.flatMap((chunk) => Array.from(chunk))

describe("commands", () => {
  const machine = TestExec.layer({
    programs: { one: (io) => io.stdout(JSON.stringify([io.args, io.env])), two: () => Effect.void },
    env: {},
    directories: ["/a"]
  })
  const commands = Generators.command({ programs: ["one", "two"], directories: ["/a"], users: ["nobody"] })

  it.effect.prop("can be run, and arrive as they are", { command: commands }, ({ command }) =>
    Effect.gen(function* () {
      const result = yield* Exec.run(command)
      assert.strictEqual(result.exitCode, 0)
      if (command.argv[0] === "one") {
        assert.deepStrictEqual(JSON.parse(result.stdout), [command.argv.slice(1), command.env ?? {}])
      }
    }).pipe(Effect.provide(machine))
  )

  it.effect("are of every kind", () =>
    Effect.gen(function* () {
      const all = yield* sample(commands)
      for (const fact of [
        (it: Command.Command) => it.argv[0] === "one",
        (it: Command.Command) => it.argv[0] === "two",
        (it: Command.Command) => it.argv.length === 1,
        (it: Command.Command) => it.argv.includes("") || it.argv.some((word) => /[ '"$\n]/.test(word)),
        (it: Command.Command) => it.env !== undefined,
        (it: Command.Command) => it.cwd === "/a",
        (it: Command.Command) => it.cwd === undefined,
        (it: Command.Command) => it.user === "nobody"
      ]) {
        assert.isTrue(all.some(fact), String(fact))
      }
    })
  )

  it.effect("shrink to the argument that matters", () =>
    Effect.gen(function* () {
      const { argv, ...rest } = yield* shrunk(commands, ({ argv }) => !argv.some((word) => word.includes("'")))
      assert.deepStrictEqual([argv, rest], [["one", "'"], {}])
    })
  )
})

describe("chunkings", () => {
  it.effect.prop("are the bytes they were cut from, none empty", { it: Generators.chunking() }, ({ it }) => {
    assert.deepStrictEqual(total(it.chunks), Array.from(it.bytes))
    return Effect.succeed(it.chunks.every(({ length }) => length > 0))
  })

  it.effect("cut text within its characters, and shrink to that one cut", () =>
    Effect.gen(function* () {
      const isWhole = (chunk: Uint8Array) => !new TextDecoder().decode(chunk).includes("\ufffd")
      const { bytes, chunks } = yield* shrunk(Generators.chunking(Generators.text), ({ chunks }) =>
        chunks.every(isWhole)
      )
      assert.lengthOf(chunks, 2)
      assert.isAtMost(bytes.length, 4)
    })
  )
})

describe("events", () => {
  const all = Generators.events({ gaps: true })
  const isValid = (events: ReadonlyArray<ExecEvent.ExecEvent>) => {
    let offset = 0
    return events.every((event, index) => {
      const from = offset
      switch (event._tag) {
        case "Started":
          return index === 0
        case "Exited":
          return index === events.length - 1
        case "Gap":
          offset = event.to
          return event.from === from && event.to > from
        default:
          offset += event.bytes.length
          return event.offset === from && event.bytes.length > 0
      }
    })
  }

  it.effect.prop("begin and end as they have to, and offsets have no hole", { events: all }, ({ events }) => {
    assert.strictEqual(events[0]?._tag, "Started")
    assert.strictEqual(events.at(-1)?._tag, "Exited")
    return Effect.succeed(isValid(events))
  })

  it.effect.prop("fold into a result, and survive JSON", { events: all }, ({ events }) =>
    Effect.gen(function* () {
      const result = yield* Stream.fromIterable(events).pipe(Stream.run(ExecResult.collect))
      assert.strictEqual(
        result.truncated,
        events.some(({ _tag }) => _tag === "Gap")
      )
      const codec = Schema.toCodecJson(Schema.Array(ExecEvent.ExecEvent))
      const json = JSON.stringify(Schema.encodeSync(codec)(events))
      assert.deepStrictEqual(Schema.decodeUnknownSync(codec)(JSON.parse(json)), events)
    })
  )

  it.effect("stay valid while they shrink, to the one event that matters", () =>
    Effect.gen(function* () {
      let wereValid = true
      const events = yield* shrunk(all, (events) => {
        wereValid &&= isValid(events)
        return !events.some((event) => event._tag === "Stderr" && event.bytes.length > 2)
      })
      assert.isTrue(wereValid)
      assert.deepStrictEqual(
        events.map(({ _tag }) => _tag),
        ["Started", "Stderr", "Exited"]
      )
      const [, stderr] = events
      assert.deepStrictEqual(stderr, { _tag: "Stderr", offset: 0, bytes: new Uint8Array(3) })
    })
  )
})

describe("faults", () => {
  const echo = TestExec.layer({ programs: { echo: (io) => io.stdout("x".repeat(20_000)) } })

  it.effect.prop(
    "of chunks change no result",
    { chunks: Generators.chunkFaults },
    ({ chunks: { split } }) =>
      Effect.gen(function* () {
        // Without those that need time to pass.
        const layer = FaultyExec.layer({ chunks: split === undefined ? {} : { split } })
        const result = yield* Effect.provide(Exec.run(Command.make("echo")), layer)
        assert.strictEqual(result.stdout, "x".repeat(20_000))
      }).pipe(Effect.provide(echo)),
    { arbitrary: { runs: 20 } }
  )

  it.effect("are policies that can be meant, and strike in every way", () =>
    Effect.gen(function* () {
      const policies = yield* sample(Generators.faults({ starts: 3, after: 100 }))
      for (const faults of policies) {
        const exit = yield* Effect.exit(Effect.provide(Effect.void, Layer.provide(FaultyExec.layer({ faults }), echo)))
        assert.isTrue(Exit.isSuccess(exit))
      }
      const tags = new Set(policies.flatMap((faults) => faults.map(({ _tag }) => _tag)))
      assert.sameMembers([...tags], ["FailStart", "Lose", "Hang", "Exit"])
    })
  )

  it.effect("shrink to the one that a program does not survive", () =>
    Effect.gen(function* () {
      const program = Effect.retry(Exec.run(Command.make("echo")), {
        times: 10,
        while: (error) => ExecError.isExecError(error) && error.isRetryable
      })
      const result = yield* Arbitrary.checkEffect(
        Generators.faults({ after: 1000 }),
        (faults) => {
          const withoutHangs = faults.filter(({ _tag }) => _tag !== "Hang")
          return program.pipe(
            Effect.provide(FaultyExec.layer({ faults: withoutHangs })),
            Effect.provide(echo),
            Effect.map((result) => result.exitCode === 0),
            Effect.catch(() => Effect.succeed(false))
          )
        },
        { seed: 3 }
      )
      if (result._tag !== "Falsified") return assert.fail(result._tag)
      assert.lengthOf(result.shrunkInput, 1)
      assert.deepInclude(result.shrunkInput[0], { nth: 1, after: 0 })
      assert.include(["Lose", "Exit"], result.shrunkInput[0]!._tag)
    })
  )
})
