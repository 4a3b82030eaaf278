/**
 * What a test expects to be run, and what it is told when something else happens.
 */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Schema, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Command, Exec, ExecError, ExitStatus } from "effect-exec"
import { TestExec } from "@effect-exec/testing"

const run = (...argv: readonly [string, ...ReadonlyArray<string>]) => Exec.run(Command.make(argv[0], argv.slice(1)))

/** The message of the defect that the effect ends with. */
const defect = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
    const dies = exit.cause.reasons.filter(Cause.isDieReason)
    assert.lengthOf(dies, exit.cause.reasons.length)
    return (dies[0]!.defect as Error).message
  })

/** A test of its own, inside of this one. */
const test = <A, E>(effect: Effect.Effect<A, E, Exec.Exec | TestExec.TestExec>, options?: TestExec.Options) =>
  Effect.provide(effect, TestExec.layer(options))

describe("expect", () => {
  it.effect("answers with text, which is standard output and exit code 0", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect(["git", "branch"], "main\n")
        const result = yield* run("git", "branch")
        assert.deepStrictEqual([result.stdout, result.exitCode], ["main\n", 0])
      })
    )
  )

  it.effect("means a program by name, words exactly, what a function accepts, or what a Schema decodes", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect(["git", "status"], "words")
        yield* TestExec.expect(({ cwd }) => cwd === "/src", "function")
        const Seq = Schema.Tuple([Schema.Literal("seq"), Schema.NumberFromString])
        yield* TestExec.expect(Seq, (io, [, count]) => io.stdout(`decoded ${count + 1}`))
        yield* TestExec.expect("git", "name")
        assert.strictEqual((yield* run("git", "log")).stdout, "name")
        assert.strictEqual((yield* run("git", "status")).stdout, "words")
        assert.strictEqual((yield* run("seq", "41")).stdout, "decoded 42")
        assert.strictEqual((yield* Exec.run(Command.make("any", [], { cwd: "/src" }))).stdout, "function")
      })
    )
  )

  it.effect("answers in steps, in the test's time", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("build", [
          { stdout: "compiling\n" },
          { after: "10 minutes", stderr: "warning\n" },
          { exitCode: 3 },
          { stdout: "never" }
        ])
        const process = yield* Exec.detach(Command.make("build"))
        yield* TestClock.adjust("9 minutes")
        assert.deepStrictEqual(yield* process.peek, { stdout: "compiling\n", stderr: "", evicted: 0 })
        yield* TestClock.adjust("1 minute")
        const result = yield* process.wait()
        assert.deepStrictEqual([result.stdout, result.stderr, result.exitCode], ["compiling\n", "warning\n", 3])
      })
    )
  )

  it.effect("answers by a signal, or fails to start", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("crash", { stderr: "oops", signal: "SIGSEGV" })
        const reason = new ExecError.PermissionDenied({ program: "locked" })
        yield* TestExec.expect("locked", reason)
        assert.deepStrictEqual((yield* run("crash")).status, ExitStatus.signaled("SIGSEGV"))
        assert.strictEqual((yield* Effect.flip(run("locked"))).reason, reason)
      })
    )
  )

  it.effect("the same command may do something else each time", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("curl", { exitCode: 7 }, { times: 2 })
        yield* TestExec.expect("curl", "ok")
        const codes = yield* Effect.forEach([1, 2, 3], () => run("curl"))
        assert.deepStrictEqual(
          codes.map(({ exitCode }) => exitCode),
          [7, 7, 0]
        )
      })
    )
  )

  it.effect("an expected command may start anywhere; programs still run beside it", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("make", "built")
        const built = yield* Exec.run(Command.make("make", [], { cwd: "/anywhere", user: "anybody" }))
        assert.strictEqual(built.stdout, "built")
        assert.strictEqual((yield* run("id")).stdout, "id")
        const calls = yield* TestExec.calls
        assert.deepStrictEqual(
          calls.map(({ argv }) => argv[0]),
          ["make", "id"]
        )
      }),
      { programs: { id: (io) => io.stdout("id") } }
    )
  )

  it.effect("nothing expected: a command that is not there is CommandNotFound, as on any machine", () =>
    test(
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.flip(run("nope"))).reason._tag, "CommandNotFound")
      })
    )
  )
})

describe("an unexpected command", () => {
  it.effect("dies with what was called, what was expected, and the nearest of that", () =>
    Effect.gen(function* () {
      const message = yield* defect(
        test(
          Effect.gen(function* () {
            yield* TestExec.expect(["git", "branch"], "main\n")
            yield* TestExec.expect("npm", "")
            yield* TestExec.expect(["git", "push", "upstream", "main"], "")
            yield* run("git", "branch")
            yield* run("git", "push", "origin", "main")
          })
        )
      )
      assert.strictEqual(
        message,
        `Unexpected command: git push origin main
Nearest to it is git push upstream main: argv[2] is origin instead of upstream
Expected are:
  ✓ git branch (run 1 of 1)
  ✗ npm … (run 0 of 1)
  ✗ git push upstream main (run 0 of 1)
Run before:
  git branch`
      )
    })
  )

  const Seq = Schema.Tuple([Schema.Literal("seq"), Schema.FiniteFromString])
  const isBuild = ({ argv }: Command.Command) => argv[0] === "build"
  const cases = [
    ["a word that is missing", ["rm", "-rf", "a b"], ["rm", "-rf"], "rm -rf 'a b': 'a b' is missing at its end"],
    ["a word too much", ["ls"], ["ls", "-l"], "ls: -l is too much at its end"],
    ["a program that is spelled like it", "python3", ["python"], "python3 …: argv[0] is python instead of python3"],
    ["what a Schema misses", Seq, ["seq", "many"], "seq <Number>: Expected a finite number\n  at [1]"],
    ["the name of a function", isBuild, ["bulid"], "what isBuild accepts: it said no"]
  ] as const

  it.effect.each(cases)("says of the nearest one: %s", ([, matcher, argv, why]) =>
    Effect.gen(function* () {
      const message = yield* defect(test(Effect.andThen(TestExec.expect(matcher, ""), Exec.run({ argv }))))
      assert.include(message.slice(message.indexOf("Nearest"), message.indexOf("Expected are")), why)
    })
  )

  it.effect("one that was run too often is called that", () =>
    Effect.gen(function* () {
      const twice = Effect.andThen(run("ls"), run("ls"))
      const message = yield* defect(test(Effect.andThen(TestExec.expect("ls", ""), twice)))
      assert.include(message, "Nearest to it is ls …: it has been run as often as it may be, 1 in all")
    })
  )

  it.effect("fails the test also where the program swallows it", () =>
    Effect.gen(function* () {
      const swallowing = Effect.andThen(
        TestExec.expect("ls", "", { times: [0, 1] }),
        Effect.ignoreCause(run("rm", "-rf"))
      )
      assert.strictEqual(yield* defect(test(swallowing)), "Unexpected was:\n  rm -rf\nAll that was run:\n  rm -rf")
    })
  )
})

describe("what is expected and not run", () => {
  it.effect("is reported when the scope closes", () =>
    Effect.gen(function* () {
      const message = yield* defect(
        test(
          Effect.gen(function* () {
            yield* TestExec.expect("npm", "", { times: [2, Infinity] })
            yield* TestExec.expect(["git", "tag"], "", { times: [0, Infinity] })
            yield* run("npm")
          })
        )
      )
      assert.strictEqual(
        message,
        `Not everything that was expected was run:
  ✗ npm … (run 1 of at least 2)
All that was run:
  npm`
      )
    })
  )

  it.effect("can be asked for before", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("npm", "")
        assert.include(yield* defect(TestExec.verify), "npm")
        yield* run("npm")
        yield* TestExec.verify
      })
    )
  )

  it.effect("does not hide why a test failed", () =>
    Effect.gen(function* () {
      const failure = yield* Effect.flip(test(Effect.andThen(TestExec.expect("npm", ""), Effect.fail("the cause"))))
      assert.strictEqual(failure, "the cause")
    })
  )
})

describe("stdin", () => {
  const psql = (stdin: string) => Exec.run(Command.make("psql"), { stdin })

  it.effect("is all of it, or what a function accepts", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("psql", "1", { stdin: "select 1" })
        yield* TestExec.expect("psql", "2", { stdin: (text) => text.endsWith("2") })
        yield* TestExec.expect("psql", "3", { stdin: "" })
        assert.strictEqual((yield* psql("select 1")).stdout, "1")
        assert.strictEqual((yield* psql("select 2")).stdout, "2")
        assert.strictEqual((yield* run("psql")).stdout, "3")
      })
    )
  )

  it.effect("another one fails whoever runs the command, and shows both", () =>
    Effect.gen(function* () {
      const message = yield* defect(
        test(Effect.andThen(TestExec.expect("psql", "", { stdin: "select 1" }), psql("select 2")))
      )
      assert.strictEqual(message, `psql was given "select 2" on stdin; expected was "select 1"`)
    })
  )

  it.effect("of a program is what it read, and the rest", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("head", (io) => Effect.flatMap(io.read, (bytes) => io.stdout(bytes ?? "")), {
          stdin: "x".repeat(100_000)
        })
        yield* TestExec.expect("cat", (io) => Stream.runForEach(io.stdin, io.stdout), { stdin: "all" })
        const head = yield* Exec.run(Command.make("head"), { stdin: "x".repeat(100_000) })
        assert.strictEqual(head.exitCode, 0)
        assert.strictEqual((yield* Exec.run(Command.make("cat"), { stdin: "all" })).stdout, "all")
      })
    )
  )

  it.effect("can be a conversation", () =>
    test(
      Effect.gen(function* () {
        yield* TestExec.expect("login", [
          { stdout: "name: " },
          { stdin: "me\n" },
          { stdout: "password: " },
          { stdin: "secret\n" },
          { stdout: "welcome\n" }
        ])
        const process = yield* Exec.detach(Command.make("login"), { stdin: "open" })
        yield* TestClock.adjust(0)
        assert.strictEqual((yield* process.read).stdout, "name: ")
        // Both answers at once, as when they are pasted.
        yield* process.write("me\nsec")
        yield* process.write("ret\n")
        assert.strictEqual((yield* process.wait()).stdout, "password: welcome\n")
      })
    )
  )

  it.effect("a wrong word in a conversation fails it", () =>
    Effect.gen(function* () {
      const steps = [{ stdout: "sure? " }, { stdin: "yes\n" }]
      const message = yield* defect(
        test(Effect.andThen(TestExec.expect("rm", steps), Exec.run(Command.make("rm"), { stdin: "no\n" })))
      )
      assert.strictEqual(message, `rm was given "no\\n" on stdin; expected was "yes\\n"`)
    })
  )
})

describe("a process that the test drives", () => {
  const server = Command.make("server", ["--port", "8080"])

  it.effect("emits and exits when the test says so", () =>
    test(
      Effect.gen(function* () {
        const driven = yield* TestExec.drive("server")
        // Not started yet: it waits for that.
        const emitting = yield* Effect.forkChild(driven.emit("listening\n"))
        const process = yield* Exec.detach(server)
        yield* Fiber.join(emitting)
        assert.deepStrictEqual((yield* driven.started).args, ["--port", "8080"])
        yield* driven.emitError("a request\n")
        const lines = yield* Stream.runCollect(Exec.lines(process.events()).pipe(Stream.take(2)))
        assert.deepStrictEqual(lines, ["listening", "a request"])
        assert.isTrue(yield* process.isRunning)
        yield* driven.exit(3)
        assert.strictEqual((yield* process.wait()).exitCode, 3)
      })
    )
  )

  it.effect("sees how the program ended it, and can trap signals", () =>
    test(
      Effect.gen(function* () {
        const driven = yield* TestExec.drive("server")
        const process = yield* Exec.detach(server)
        const { on } = yield* driven.started
        yield* on("SIGHUP", driven.emit("reloading\n"))
        yield* process.kill({ signal: "SIGHUP" })
        const [line] = yield* Stream.runCollect(Exec.lines(process.events()).pipe(Stream.take(1)))
        assert.strictEqual(line, "reloading")
        yield* process.kill({ grace: "1 second" })
        assert.deepStrictEqual(yield* driven.ended, ExitStatus.signaled("SIGTERM"))
      })
    )
  )

  it.effect("cannot do anything once it has ended, and says so", () =>
    test(
      Effect.gen(function* () {
        const driven = yield* TestExec.drive("server")
        const process = yield* Exec.detach(server)
        yield* driven.started
        yield* process.kill({ signal: "SIGKILL" })
        assert.strictEqual(
          yield* defect(driven.emit("too late")),
          "server --port 8080 cannot write: it has ended with SIGKILL"
        )
        assert.include(yield* defect(driven.exit()), "cannot exit")
      })
    )
  )

  it.effect("has the backpressure of any process", () =>
    test(
      Effect.gen(function* () {
        const driven = yield* TestExec.drive("server")
        const process = yield* Exec.spawn(server)
        const emitting = yield* Effect.forkChild(driven.emit("x".repeat(100_000)))
        yield* TestClock.adjust(0)
        assert.strictEqual(emitting.pollUnsafe(), undefined)
        const reading = yield* Effect.forkChild(Stream.runCollect(Exec.text(process.events)))
        yield* Fiber.join(emitting)
        yield* driven.exit()
        assert.strictEqual((yield* Fiber.join(reading)).join("").length, 100_000)
      }).pipe(Effect.scoped)
    )
  )
})
