/**
 * Faults on purpose, as the program that runs on them sees them.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Duration, Effect, Exit, Fiber, Layer, Option, Schema, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Command, Exec, ExecError, type ExecEvent, ExitStatus } from "effect-exec"
import { FaultyExec, type Program, TestExec } from "@effect-exec/testing"

const programs = {
  echo: (io) => io.stdout(io.args.join(" ")),
  both: (io) =>
    Effect.forEach([1, 2, 3, 4], (n) => (n % 2 === 1 ? io.stdout : io.stderr)("x".repeat(n * 10)), { discard: true }),
  steps: (io) =>
    Effect.forEach(io.args, (word) => Effect.andThen(io.stdout(word), Effect.sleep("10 millis")), { discard: true }),
  cat: (io) => Stream.runForEach(io.stdin, io.stdout),
  fail: () => Effect.succeed(3),
  hang: () => Effect.never,
  lingering: (io) =>
    Effect.andThen(
      io.fork(() => Effect.never),
      io.stdout("hi\n")
    ),
  ps: (io) => Effect.flatMap(io.processes, (all) => io.stdout(all.map(({ argv }) => argv.join(" ")).join("\n")))
} satisfies Record<string, Program.Program>

const command = (name: keyof typeof programs, ...args: ReadonlyArray<string>) => Command.make(name, args)

const layer = (policy: FaultyExec.Policy) => FaultyExec.layer(policy).pipe(Layer.provide(TestExec.layer({ programs })))

const reasonOf = <A>(effect: Effect.Effect<A, unknown, Exec.Exec>) =>
  Effect.map(Effect.flip(effect), (error) => (ExecError.isExecError(error) ? error.reason : assert.fail(String(error))))

const outputs = (events: ReadonlyArray<ExecEvent.ExecEvent>) =>
  events.flatMap((event) => (event._tag === "Stdout" || event._tag === "Stderr" ? [event] : []))

const chunksOf = (events: ReadonlyArray<ExecEvent.ExecEvent>) =>
  outputs(events).map(({ bytes }) => new TextDecoder().decode(bytes))

describe("chunks", () => {
  const collect = (command: Command.Command) => Stream.runCollect(Exec.stream(command))

  it.effect("split 1 gives single bytes, at their offsets", () =>
    Effect.gen(function* () {
      const events = yield* collect(command("echo", "hello"))
      assert.deepStrictEqual(chunksOf(events), ["h", "e", "l", "l", "o"])
      assert.deepStrictEqual(
        outputs(events).map(({ offset }) => offset),
        [0, 1, 2, 3, 4]
      )
    }).pipe(Effect.provide(layer({ chunks: { split: 1 } })))
  )

  it.effect("split draws lengths up to the most, the same for the same seed, and others for another", () =>
    Effect.gen(function* () {
      const text = "0123456789".repeat(100)
      const lengths = (seed: string) =>
        collect(command("echo", text)).pipe(
          Effect.map((events) => chunksOf(events).map(({ length }) => length)),
          Effect.provide(layer({ seed, chunks: { split: 100 } }))
        )
      const first = yield* lengths("a")
      assert.isAtMost(Math.max(...first), 100)
      assert.strictEqual(
        first.reduce((sum, length) => sum + length, 0),
        1000
      )
      // Small ones as often as large ones.
      assert.isAbove(first.filter((length) => length <= 10).length, 5)
      assert.isAbove(first.filter((length) => length > 10).length, 5)
      assert.deepStrictEqual(yield* lengths("a"), first)
      assert.notDeepEqual(yield* lengths("b"), first)
    })
  )

  it.effect("merge waits for more, of the same stream", () =>
    Effect.gen(function* () {
      const merged = yield* Effect.forkChild(collect(command("steps", "a", "b", "c")))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(chunksOf(yield* Fiber.join(merged)), ["abc"])
      const both = yield* Effect.forkChild(collect(command("both")))
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(
        chunksOf(yield* Fiber.join(both)).map(({ length }) => length),
        [10, 20, 30, 40]
      )
    }).pipe(Effect.provide(layer({ seed: "1", chunks: { merge: "1 minute" } })))
  )

  it.effect("delay lets every chunk come later, in Effect's time", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(collect(command("echo", "late")))
      yield* TestClock.adjust("1 milli")
      assert.strictEqual(running.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(chunksOf(yield* Fiber.join(running)), ["late"])
    }).pipe(Effect.provide(layer({ seed: "1", chunks: { delay: "1 hour" } })))
  )

  const Split = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 64 }))

  it.effect.prop(
    "any split of any output gives the same bytes, per stream and in order",
    { split: Split, bytes: Schema.Uint8Array, seed: Schema.String },
    ({ bytes, seed, split }) =>
      Effect.gen(function* () {
        const result = yield* Exec.run(command("cat"), { stdin: bytes })
        assert.deepStrictEqual(result.stdoutBytes, bytes)
        const both = yield* Exec.run(command("both"))
        assert.strictEqual(both.stdout, "x".repeat(40))
        assert.strictEqual(both.stderr, "x".repeat(60))
      }).pipe(Effect.provide(layer({ seed, chunks: { split } })))
  )
})

describe("starts", () => {
  const busy = new ExecError.LimitReached({ limit: "one process" })

  it.effect("failStart fails with that reason, the nth one alone, and starts nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Exec.run(command("echo", "1"))).stdout, "1")
      assert.strictEqual(yield* reasonOf(Exec.run(command("echo", "2"))), busy)
      assert.strictEqual((yield* Exec.run(command("echo", "3"))).stdout, "3")
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.failStart(busy, { nth: 2 })] })))
  )

  it.effect("nth counts the commands that match", () =>
    Effect.gen(function* () {
      yield* Exec.run(command("fail"))
      yield* Exec.run(command("echo"))
      yield* Exec.run(command("fail"))
      assert.strictEqual(yield* reasonOf(Exec.run(command("echo", "again"))), busy)
      const struck = yield* FaultyExec.FaultyExec.use((faults) => faults.struck)
      assert.deepStrictEqual(
        struck.map(({ command, fault, start }) => [start, command.argv, fault._tag]),
        [[4, ["echo", "again"], "FailStart"]]
      )
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.failStart(busy, { command: "echo", nth: 2 })] })))
  )

  it.effect("the first fault that is for a start is the one it meets", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* reasonOf(Exec.run(command("echo"))))._tag, "LimitReached")
      assert.strictEqual((yield* reasonOf(Exec.run(command("fail"))))._tag, "ConnectionLost")
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.failStart(busy, { command: "echo" }), FaultyExec.lose()] })))
  )

  it.effect("chance strikes some, the same ones for the same seed", () =>
    Effect.gen(function* () {
      const struck = (seed: string) =>
        Effect.forEach(Array.from({ length: 100 }), () => Effect.exit(Exec.run(command("echo")))).pipe(
          Effect.map((exits) => exits.map(Exit.isFailure)),
          Effect.provide(layer({ seed, faults: [FaultyExec.failStart(busy, { chance: 0.3 })] }))
        )
      const first = yield* struck("x")
      const count = first.filter((it) => it).length
      assert.isTrue(count > 10 && count < 60, `${count} of 100`)
      assert.deepStrictEqual(yield* struck("x"), first)
      assert.notDeepEqual(yield* struck("y"), first)
    })
  )

  it.effect("delayStart delays, for ever if one likes", () =>
    Effect.gen(function* () {
      const slow = yield* Effect.forkChild(Exec.run(command("echo", "a")))
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(slow.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(slow)).stdout, "a")
      const never = yield* Effect.forkChild(Effect.timeoutOption(Exec.run(command("fail")), "1 day"))
      yield* TestClock.adjust("1 day")
      assert.isTrue(Option.isNone(yield* Fiber.join(never)))
    }).pipe(
      Effect.provide(
        layer({
          faults: [
            FaultyExec.delayStart("1 minute", { command: "echo" }),
            FaultyExec.delayStart(Duration.infinity, { command: "fail" })
          ]
        })
      )
    )
  )
})

describe("lose", () => {
  it.effect("C61 fails with ConnectionLost after just so many bytes, in everything; no process is left", () => {
    const sandbox = TestExec.sandbox({ programs })
    return Effect.gen(function* () {
      const seen: Array<ExecEvent.ExecEvent> = []
      const lost = yield* reasonOf(
        Stream.runForEach(Exec.stream(command("cat"), { stdin: "0123456789" }), (event) =>
          Effect.sync(() => seen.push(event))
        )
      )
      assert.strictEqual(chunksOf(seen).join(""), "0123")
      if (lost._tag !== "ConnectionLost") return assert.fail(lost._tag)
      assert.isTrue(lost.started)
      assert.include(lost.message, `seed "s"`)
      const process = yield* Exec.detach(command("cat"), { stdin: "open" })
      yield* process.write("abcdefgh")
      assert.strictEqual((yield* reasonOf(process.wait()))._tag, "ConnectionLost")
      assert.strictEqual((yield* process.peek).stdout, "abcd")
      assert.strictEqual((yield* reasonOf(process.write("more")))._tag, "ConnectionLost")
      assert.strictEqual((yield* Exec.run(command("ps"))).stdout, "ps")
    }).pipe(
      Effect.provide(FaultyExec.layer({ seed: "s", faults: [FaultyExec.lose({ command: "cat", after: 4 })] })),
      Effect.provide(TestExec.layerSandbox(sandbox))
    )
  })

  it.effect("spares a process that writes less", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Exec.run(command("echo", "abc"))).stdout, "abc")
      assert.lengthOf(yield* FaultyExec.FaultyExec.use((faults) => faults.struck), 0)
      assert.strictEqual((yield* reasonOf(Exec.run(command("echo", "abcd"))))._tag, "ConnectionLost")
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.lose({ after: 4 })] })))
  )

  it.effect("draws the point from a range", () =>
    Effect.gen(function* () {
      const lengths = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.gen(function* () {
          let length = 0
          yield* Exec.stream(command("echo", "x".repeat(100))).pipe(
            Stream.runForEach((event) =>
              Effect.sync(() => (length += event._tag === "Stdout" ? event.bytes.length : 0))
            ),
            Effect.exit
          )
          return length
        })
      )
      assert.isTrue(lengths.every((length) => length >= 10 && length <= 20))
      assert.isAbove(new Set(lengths).size, 3)
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.lose({ after: [10, 20] })] })))
  )

  it.effect("cut loses all that runs, and all that starts later", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(reasonOf(Exec.run(command("hang"))), { startImmediately: true })
      yield* TestClock.adjust(0)
      yield* FaultyExec.FaultyExec.use((faults) => faults.cut)
      const lost = yield* Fiber.join(running)
      assert.deepInclude(lost, { _tag: "ConnectionLost", started: true })
      const later = yield* reasonOf(Exec.run(command("echo")))
      assert.deepInclude(later, { _tag: "ConnectionLost", started: false })
    }).pipe(Effect.provide(layer({})))
  )
})

describe("hang", () => {
  it.effect("C12 a process that hangs in the middle of its output is ended by the timeout", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(command("echo", "0123456789")))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(running.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      const result = yield* Fiber.join(running)
      assert.isTrue(result.timedOut)
      assert.strictEqual(result.stdout, "01234")
      assert.deepStrictEqual(result.status, ExitStatus.signaled("SIGTERM"))
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.hang({ after: 5 })] })))
  )

  it.effect("at the start: it runs, and does nothing until it is killed", () =>
    Effect.gen(function* () {
      const process = yield* Exec.detach(command("fail"))
      yield* TestClock.adjust("1 day")
      assert.isTrue(yield* process.isRunning)
      yield* process.signal("SIGWINCH")
      assert.isTrue(yield* process.isRunning)
      yield* process.kill({ signal: "SIGKILL" })
      const result = yield* process.wait()
      assert.deepStrictEqual(result.status, ExitStatus.signaled("SIGKILL"))
      assert.strictEqual(result.endedBy, "signal")
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.hang()] })))
  )
})

describe("exit", () => {
  const oom: ExitStatus.ExitStatus = { _tag: "Signaled", signal: "SIGKILL", cause: "oom" }

  it.effect("ends the process like this, and it writes nothing more", () =>
    Effect.gen(function* () {
      const result = yield* Exec.run(command("echo", "0123456789"))
      assert.strictEqual(result.stdout, "012")
      assert.deepStrictEqual(result.status, oom)
      assert.strictEqual(result.endedBy, "self")
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.exit(oom, { after: 3 })] })))
  )

  it.effect("a process that is spared ends as it does, and what it left behind does not hold it up", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Exec.run(command("fail"))).exitCode, 3)
      const result = yield* Exec.run(command("lingering"))
      assert.deepStrictEqual([result.stdout, result.exitCode, result.incomplete], ["hi\n", 0, false])
      assert.strictEqual((yield* Exec.run(command("ps"))).stdout, "ps")
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.exit(oom, { after: 1000 })] })))
  )

  it.effect("a stdin that it does not read any more is no error of the run", () =>
    Effect.gen(function* () {
      const result = yield* Exec.run(command("cat"), { stdin: "x".repeat(1_000_000) })
      assert.strictEqual(result.stdout.length, 10)
      assert.deepStrictEqual(result.status, oom)
    }).pipe(Effect.provide(layer({ faults: [FaultyExec.exit(oom, { after: 10 })] })))
  )
})

describe("the seed", () => {
  it.effect("is drawn where none is given, and can be asked for", () =>
    Effect.gen(function* () {
      const seedOf = Effect.provide(
        FaultyExec.FaultyExec.useSync(({ seed }) => seed),
        layer({})
      )
      const seeds = yield* Effect.all([seedOf, seedOf, seedOf])
      assert.strictEqual(new Set(seeds).size, 3)
    })
  )

  it("is printed where the scope of the layer ends with a failure", async () => {
    const printed: Array<unknown> = []
    const { log } = console
    console.log = (...args) => printed.push(...args)
    try {
      const failing = (seed: string) => Effect.fail("the test").pipe(Effect.provide(layer({ seed })))
      await Effect.runPromiseExit(failing("the-seed"))
      await Effect.runPromise(Effect.void.pipe(Effect.provide(layer({ seed: "not-this" }))))
    } finally {
      console.log = log
    }
    assert.include(printed.join(" "), `{ seed: "the-seed" }`)
    assert.notInclude(printed.join(" "), "not-this")
  })

  it("a policy that cannot be meant dies with what is wrong", async () => {
    for (const policy of [
      { chunks: { split: 0 } },
      { chunks: { delay: -1 } },
      { faults: [FaultyExec.lose({ after: [2, 1] })] },
      { faults: [FaultyExec.hang({ nth: 0 })] },
      { faults: [FaultyExec.hang({ chance: 2 })] }
    ] satisfies ReadonlyArray<FaultyExec.Policy>) {
      const exit = await Effect.runPromiseExit(Effect.void.pipe(Effect.provide(layer(policy))))
      if (Exit.isSuccess(exit)) return assert.fail(JSON.stringify(policy))
      assert.match(String(Cause.squash(exit.cause)), /^RangeError: FaultyExec: \w+.*has to be/)
    }
  })
})
