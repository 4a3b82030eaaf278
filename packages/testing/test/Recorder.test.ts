/**
 * What was recorded comes again: the same events, without what they came from.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import {
  Arbitrary,
  Cause,
  Clock,
  Config,
  ConfigProvider,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  FileSystem,
  Layer,
  Redacted,
  Result,
  Schema,
  type Scope,
  Stream
} from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Command, Exec, ExecError, type ExecEvent, ExitStatus, ProcessId } from "effect-exec"
import { Cassette, FaultyExec, Generators, type Program, Recorder, TestExec } from "@effect-exec/testing"

const programs = {
  echo: (io) => io.stdout(io.args.join(" ")),
  both: (io) =>
    Effect.forEach(
      [1, 2, 3, 4],
      (n) => Effect.andThen((n % 2 === 1 ? io.stdout : io.stderr)(`${n}\n`), Effect.sleep(1)),
      { discard: true }
    ),
  binary: (io) => io.stdout(Uint8Array.from({ length: 256 }, (_, byte) => byte)),
  cat: (io) => Stream.runForEach(io.stdin, io.stdout),
  head: (io) => Effect.asVoid(io.read),
  greeter: (io) =>
    Effect.gen(function* () {
      yield* io.stdout("name? ")
      const name = yield* io.read
      yield* io.stdout("hello ")
      yield* io.stdout(name ?? "nobody")
    }),
  sleep: (io) => Effect.sleep(Number(io.args[0])),
  stubborn: (io) => Effect.andThen(io.on("SIGTERM", "ignore"), Effect.andThen(io.stdout("no"), Effect.never)),
  graceful: (io) =>
    io
      .on("SIGTERM", Effect.andThen(io.stdout("bye"), io.exit(3)))
      .pipe(Effect.andThen(io.stdout("hi ")), Effect.andThen(Effect.never)),
  lingering: (io) =>
    Effect.andThen(
      io.fork((child) => Effect.andThen(Effect.sleep(30), child.stdout("late"))),
      io.stdout("early ")
    ),
  flood: (io) => Effect.forever(io.stdout("y".repeat(1000))),
  fail: () => Effect.succeed(3),
  env: (io) => io.stdout(io.env["TOKEN"] ?? "none")
} satisfies Record<string, Program.Program>

const command = (name: keyof typeof programs | "nope", ...args: ReadonlyArray<string>) => Command.make(name, args)

const real = TestExec.layer({ programs })

/** A real `Exec` that must not be touched. */
const absent = Layer.effect(Exec.Exec, Effect.die(new Error("the real Exec was built")))

const temporary = Effect.map(
  Effect.flatMap(FileSystem.FileSystem, (fs) => fs.makeTempDirectoryScoped()),
  (folder) => `${folder}/nested/test.cassette.jsonl`
)

type Options = Partial<Recorder.Options<Cassette.CassetteError, FileSystem.FileSystem>>

const recorded = (cassette: string, options?: Options) => Recorder.layer({ cassette, real, mode: "record", ...options })
const replayed = (cassette: string, options?: Options) => Recorder.layer({ cassette, real: absent, ...options })

const textOf = (cassette: string) => Effect.flatMap(FileSystem.FileSystem, (fs) => fs.readFileString(cassette))

const defect = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.exit(effect), (exit) => {
    if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
    const [dies] = exit.cause.reasons.filter(Cause.isDieReason)
    return dies === undefined ? assert.fail(String(Cause.squash(exit.cause))) : (dies.defect as Error).message
  })

const live = (name: string, effect: Effect.Effect<void, unknown, FileSystem.FileSystem | Scope.Scope>) =>
  it.live(name, () => Effect.provide(effect, NodeFileSystem.layer))

/** Sessions: what they give has to be the same when it is recorded and when it is replayed. */
const sessions: Record<string, Effect.Effect<unknown, unknown, Exec.Exec>> = {
  "results of run, with pid and duration": Effect.all([
    Exec.run(command("echo", "a", "b")),
    Exec.run(command("both")),
    Exec.run(command("binary")),
    Exec.run(command("fail")),
    Exec.run(command("sleep", "20"))
  ]),
  "events of stream, chunk by chunk, with their ids": Effect.all([
    Stream.runCollect(Exec.stream(command("both"))),
    Stream.runCollect(Exec.stream(command("binary")))
  ]),
  "the same command, several times": Effect.forEach([1, 2, 3], (n) => Exec.run(command("cat"), { stdin: `${n}` })),
  "many at once": Effect.forEach(
    Array.from({ length: 20 }, (_, index) => index),
    (index) => Exec.run(command("echo", String(index))),
    { concurrency: "unbounded" }
  ),
  "failures to start": Effect.all([
    Effect.flip(Exec.run(command("nope"))),
    Effect.flip(Exec.run(Command.make("echo", [], { cwd: "/nowhere" }))),
    Effect.flip(Exec.run(Command.make("echo", ["\0"])))
  ]),
  stdin: Effect.all([
    Exec.run(command("cat"), { stdin: "x".repeat(200_000) }),
    Exec.run(command("cat"), { stdin: Stream.make(Uint8Array.of(1), Uint8Array.of(2, 3)) }),
    Exec.run(command("head"), { stdin: "x".repeat(1_000_000) }),
    Exec.run(command("cat"), { stdin: "" })
  ]),
  "a timeout": Exec.run(command("graceful"), { timeout: 30 }),
  "a timeout, and KILL after the grace": Exec.run(command("stubborn"), { timeout: 30, grace: 30 }),
  "an output that is cut off": Effect.map(Exec.run(command("flood"), { maxOutput: 5000 }), (result) => [
    result.stdout,
    result.truncated,
    result.endedBy
  ]),
  "what lingers: killed, awaited, drained": Effect.forEach(["kill", "await", "drain"] as const, (lingering) =>
    Exec.run(command("lingering"), { lingering })
  ),
  "a stream that is left early": Effect.map(
    Stream.runCollect(Stream.take(Exec.stream(command("flood")), 3)),
    (events) => events.map(({ _tag }) => _tag)
  ),
  "a conversation": Effect.scoped(
    Effect.gen(function* () {
      const process = yield* Exec.spawn(command("greeter"), { stdin: "open" })
      const seen: Array<ExecEvent.ExecEvent> = []
      yield* Stream.runForEach(process.events, (event) => {
        seen.push(event)
        return event._tag === "Stdout" && seen.length === 2
          ? Effect.andThen(process.write("you"), process.closeStdin)
          : Effect.void
      })
      return [seen, process.pid, process.tag]
    })
  ),
  "a detached process: its ring, its end, the table": Effect.gen(function* () {
    const exec = yield* Exec.Exec
    const process = yield* exec.detach(command("graceful"))
    yield* Stream.runHead(Stream.filter(process.events(), ({ _tag }) => _tag === "Stdout"))
    const before = yield* process.peek
    const list = yield* exec.list()
    yield* exec.kill(process.tag, { grace: "1 second" })
    const result = yield* process.wait()
    const again = yield* exec.detach(command("fail"), { id: ProcessId.make("mine"), tag: "tagged" })
    yield* exec.detach(command("fail"), { id: ProcessId.make("mine") })
    yield* again.wait()
    const inUse = yield* exec.detach(command("sleep", "5"), { tag: "a" })
    const refused = yield* Effect.flip(exec.detach(command("sleep", "5"), { tag: "a" }))
    yield* inUse.wait()
    return [before, list, result, refused, yield* exec.list({ exited: true })]
  }),
  capabilities: Exec.Exec.use((exec) => exec.capabilities)
}

describe("a replay gives what was recorded", () => {
  for (const [name, session] of Object.entries(sessions)) {
    live(
      name,
      Effect.gen(function* () {
        const cassette = yield* temporary
        const before = yield* Effect.provide(session, recorded(cassette))
        const after = yield* Effect.provide(session, replayed(cassette))
        assert.deepStrictEqual(after, before)
      })
    )
  }

  live(
    "a lost backend, after the bytes that did arrive",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const losing = FaultyExec.layer({ seed: "s", faults: [FaultyExec.lose({ after: 4 })] }).pipe(Layer.provide(real))
      const session = Effect.gen(function* () {
        const seen: Array<ExecEvent.ExecEvent> = []
        const lost = yield* Exec.stream(command("echo", "0123456789")).pipe(
          Stream.runForEach((event) => Effect.sync(() => seen.push(event))),
          Effect.flip
        )
        return [seen, lost]
      })
      const before = yield* Effect.provide(session, recorded(cassette, { real: losing }))
      assert.deepStrictEqual(yield* Effect.provide(session, replayed(cassette)), before)
    })
  )

  it.effect("an hour takes no time, whatever the clock", () =>
    Effect.gen(function* () {
      const cassette = yield* temporary
      const started = yield* Deferred.make<void>()
      const hour = TestExec.layer({
        programs: { hour: () => Effect.andThen(Deferred.succeed(started, void 0), Effect.sleep("1 hour")) }
      })
      const session = Exec.run(Command.make("hour"), { timeout: "2 hours" })
      const recording = yield* Effect.forkChild(Effect.provide(session, recorded(cassette, { real: hour })))
      yield* Deferred.await(started)
      yield* TestClock.adjust("1 hour")
      const before = yield* Fiber.join(recording)
      assert.strictEqual(Duration.toHours(before.duration), 1)
      assert.deepStrictEqual(yield* Effect.provide(session, replayed(cassette)), before)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  live(
    "with pace recorded it takes as long as it took, by Effect's clock",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const session = Exec.run(command("sleep", "50"))
      yield* Effect.provide(session, recorded(cassette))
      const clock = yield* TestClock.make()
      yield* Effect.gen(function* () {
        const running = yield* Effect.forkChild(session)
        yield* TestClock.adjust(40)
        assert.strictEqual(running.pollUnsafe(), undefined)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(running)).exitCode, 0)
      }).pipe(Effect.provide(replayed(cassette, { pace: "recorded" })), Effect.provideService(Clock.Clock, clock))
    })
  )

  live(
    "also where the program does something else than it did: a signal that was not recorded ends a process",
    Effect.gen(function* () {
      const cassette = yield* temporary
      yield* Effect.provide(Exec.run(command("stubborn"), { timeout: 20, grace: 20 }), recorded(cassette))
      const result = yield* Effect.gen(function* () {
        const process = yield* Exec.detach(command("stubborn"))
        yield* process.kill({ signal: "SIGINT" })
        return yield* process.wait()
      }).pipe(Effect.provide(replayed(cassette)))
      assert.deepStrictEqual(result.status, ExitStatus.signaled("SIGINT"))
    })
  )
})

describe("strict", () => {
  const session = Effect.gen(function* () {
    yield* Exec.run(Command.make("echo", ["a", "b"], { env: { LANG: "C" } }))
    yield* Exec.run(command("fail"))
  })

  const changed = (program: Effect.Effect<unknown, unknown, Exec.Exec>) =>
    Effect.gen(function* () {
      const cassette = yield* temporary
      yield* Effect.provide(session, recorded(cassette))
      return (yield* defect(Effect.provide(program, replayed(cassette)))).replaceAll(cassette, "CASSETTE")
    })

  live(
    "a command that is not in the cassette says what changed",
    Effect.gen(function* () {
      const message = yield* changed(Exec.run(Command.make("echo", ["a", "c"], { env: { LANG: "de" }, cwd: "/src" })))
      assert.strictEqual(
        message,
        `echo a c is not in the cassette CASSETTE
Nearest to it is echo a b: argv[2] is c instead of b, cwd is "/src" instead of absent, env is {"LANG":"de"} instead of {"LANG":"C"}
Not run yet:
  echo a b
  fail
Where this is how it should be, record it anew, or add to it with the mode "update"`
      )
    })
  )

  live(
    "one that was recorded less often says so",
    Effect.gen(function* () {
      const message = yield* changed(Effect.forEach([1, 2], () => Exec.run(command("fail"))))
      assert.include(message, "Nearest to it is fail: it was recorded once only")
      assert.include(message, "Already run:\n  fail")
    })
  )

  live(
    "a program that swallows it fails at the end",
    Effect.gen(function* () {
      const message = yield* changed(Effect.ignoreCause(Exec.run(command("sleep", "1"))))
      assert.strictEqual(message, "Not in the cassette CASSETTE:\n  sleep 1")
    })
  )

  live(
    "another stdin says from where on it differs",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const cat = (stdin: string) => Exec.run(command("cat"), { stdin })
      yield* Effect.provide(Effect.andThen(cat("select 1"), cat("select")), recorded(cassette))
      const message = yield* defect(Effect.provide(cat("select 2"), replayed(cassette)))
      assert.strictEqual(message, `cat is given another stdin than was recorded: from byte 7 on "2" instead of "1"`)
      const longer = yield* defect(Effect.provide(cat("select 1;"), replayed(cassette)))
      assert.include(longer, `from byte 8 on ";" instead of nothing more`)
    })
  )
})

describe("modes", () => {
  const echo = (word: string) => Effect.map(Exec.run(command("echo", word)), ({ stdout }) => stdout)
  const words = (cassette: string) =>
    Effect.map(textOf(cassette), (text) => Array.from(text.matchAll(/"run":\["echo","(\w+)"\]/g), ([, word]) => word))

  live(
    "update replays what is known, adds what is not, and drops what is not run",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const update = Recorder.layer({
        cassette,
        mode: "update",
        real: TestExec.layer({ programs: { echo: (io) => io.stdout(`new ${io.args[0]}`) } })
      })
      yield* Effect.provide(Effect.all([echo("a"), echo("b")]), recorded(cassette))
      assert.deepStrictEqual(yield* Effect.provide(Effect.all([echo("b"), echo("c")]), update), ["b", "new c"])
      assert.deepStrictEqual(yield* words(cassette), ["b", "c"])
      assert.deepStrictEqual(yield* Effect.provide(Effect.all([echo("c"), echo("b")]), replayed(cassette)), [
        "new c",
        "b"
      ])
    })
  )

  live(
    "update begins where there is no cassette yet",
    Effect.gen(function* () {
      const cassette = yield* temporary
      yield* Effect.provide(echo("a"), Recorder.layer({ cassette, real, mode: "update" }))
      assert.deepStrictEqual(yield* words(cassette), ["a"])
    })
  )

  live(
    "passthrough is real, and touches no file",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const passthrough = Recorder.layer({ cassette, real, mode: "passthrough" })
      assert.strictEqual(yield* Effect.provide(echo("a"), passthrough), "a")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(textOf(cassette))))
    })
  )

  live(
    "a session that fails leaves the cassette as it was",
    Effect.gen(function* () {
      const cassette = yield* temporary
      yield* Effect.provide(echo("a"), recorded(cassette))
      yield* Effect.exit(Effect.provide(Effect.andThen(echo("b"), Effect.fail("the test")), recorded(cassette)))
      assert.deepStrictEqual(yield* words(cassette), ["a"])
    })
  )

  live(
    "layerConfig reads the mode",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const layer = Recorder.layerConfig({ cassette, real })
      const withMode = (mode: string) =>
        Effect.provide(echo("a"), layer).pipe(
          Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env: { EXEC_RECORDER: mode } })))
        )
      assert.strictEqual(yield* withMode("record"), "a")
      assert.strictEqual(yield* withMode("replay"), "a")
      assert.instanceOf(yield* Effect.flip(withMode("recrod")), Config.ConfigError)
    })
  )
})

describe("secrets", () => {
  const session = Effect.gen(function* () {
    const env = { TOKEN: Redacted.make("hunter2"), USER: "me" }
    const shown = yield* Exec.run(Command.make("env", [], { env }))
    // In single bytes, so that the secret is split between chunks.
    const echoed = yield* Exec.run(command("cat"), { stdin: "say hunter2 twice: hunter2" })
    const nope = yield* Effect.flip(Exec.run(Command.make("nope-hunter2", ["--token=hunter2"])))
    return { shown, echoed, nope }
  })
  const bytewise = FaultyExec.layer({ chunks: { split: 1 } }).pipe(Layer.provide(real))

  live(
    "C3 a Redacted value is nowhere in the cassette, however it was split, and the offsets stay",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const before = yield* Effect.provide(session, recorded(cassette, { real: bytewise }))
      assert.strictEqual(before.shown.stdout, "hunter2")
      const text = yield* textOf(cassette)
      for (const { entries, start } of Result.getOrThrow(Cassette.parse(cassette, text)).recordings) {
        const bytes = (name: string) => entries.flatMap((entry) => Array.from((entry as never)[name] ?? []))
        for (const stream of ["stdout", "stdin"]) {
          assert.notInclude(new TextDecoder().decode(Uint8Array.from(bytes(stream) as Array<number>)), "hunter2")
        }
        assert.notInclude(JSON.stringify(start), "hunter2")
      }
      const after = yield* Effect.provide(session, replayed(cassette))
      assert.strictEqual(after.shown.stdout, "*******")
      assert.strictEqual(after.echoed.stdout, "say ******* twice: *******")
      assert.deepStrictEqual([after.shown.duration, after.shown.pid], [before.shown.duration, before.shown.pid])
      assert.strictEqual(after.nope.reason._tag, "CommandNotFound")
    })
  )

  live(
    "others are named by the test",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const redact = [Redacted.make("s3cret")]
      const login = Exec.run(command("echo", "--password=s3cret"))
      yield* Effect.provide(login, recorded(cassette, { redact }))
      assert.notInclude(yield* textOf(cassette), "s3cret")
      assert.strictEqual((yield* Effect.provide(login, replayed(cassette, { redact }))).stdout, "--password=******")
    })
  )
})

describe("the file", () => {
  live(
    "is made to be read",
    Effect.gen(function* () {
      const cassette = yield* temporary
      const session = Effect.gen(function* () {
        const process = yield* Exec.detach(Command.make("greeter", [], { env: { GONE: undefined, LANG: "C" } }), {
          stdin: "open",
          id: ProcessId.make("p1"),
          tag: "greeter"
        })
        yield* Stream.runHead(Stream.filter(process.events(), ({ _tag }) => _tag === "Stdout"))
        yield* process.write("you\n")
        yield* process.closeStdin
        yield* process.wait()
      })
      yield* Effect.provide(session, recorded(cassette))
      const text = (yield* textOf(cassette))
        .replaceAll(/"at":[\d.]+/g, `"at":0`)
        .replaceAll(/"startedAt":\d+/g, `"startedAt":0`)
      const [header, start, ...entries] = text.trimEnd().split("\n")
      assert.match(header!, /^\{"cassette":1,"capabilities":\{"tree":"exact",/)
      assert.strictEqual(
        start,
        `{"run":["greeter"],"env":{"GONE":null,"LANG":"C"},"stdin":"pipe","lingering":"kill","id":"p1","tag":"greeter","startedAt":0,"pid":2}`
      )
      assert.sameMembers(entries, [
        `{"at":0,"stdout":"name? "}`,
        `{"at":0,"stdin":"you\\n"}`,
        `{"at":0,"stdinEnd":true}`,
        `{"at":0,"stdout":"hello "}`,
        `{"at":0,"stdout":"you\\n"}`,
        `{"at":0,"end":true}`,
        `{"at":0,"exited":{"_tag":"Exited","code":0}}`
      ])
    })
  )

  const broken: ReadonlyArray<readonly [what: string, text: string, problem: RegExp]> = [
    ["of another version", `{"cassette":2}\n`, /has version 2 of the format; this package reads version 1/],
    ["that is none", "hello\n", /does not begin with \{"cassette":1\}/],
    ["with a broken line", `{"cassette":1}\n{"run":["a"]}\n`, /is broken in line 2: /],
    ["with an entry of nothing", `{"cassette":1}\n{"at":1,"end":true}\n`, /does not say which command was run/]
  ]

  for (const [what, text, problem] of broken) {
    live(
      `one ${what} is refused`,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const cassette = `${yield* fs.makeTempDirectoryScoped()}/broken.jsonl`
        yield* fs.writeFileString(cassette, text)
        const error = yield* Effect.flip(Effect.provide(Effect.void, replayed(cassette)))
        assert.instanceOf(error, Cassette.CassetteError)
        assert.match(error.message, problem)
        assert.include(error.message, cassette)
      })
    )
  }

  live(
    "one that is missing says how to record it",
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.provide(Effect.void, replayed("/no/such.jsonl")))
      assert.strictEqual(
        error.message,
        `The cassette /no/such.jsonl does not exist; record it first, with the mode "record"`
      )
    })
  )

  const entry = Arbitrary.map(
    Arbitrary.all([
      Generators.bytes,
      Generators.text,
      Generators.exitStatus,
      Generators.signal,
      Arbitrary.schema(Schema.Tuple([Schema.Int, Schema.Int]))
    ]),
    ([bytes, text, exited, signal, [which, nanos]]): Cassette.Entry => {
      const at = Math.abs(nanos) / 1e6
      const entries: ReadonlyArray<Cassette.Entry> = [
        { at, stdout: bytes },
        { at, stderr: text },
        { at, end: true },
        { at, exited },
        { at, treeEmpty: true },
        { at, lost: new ExecError.ConnectionLost({ started: true }) },
        { at, stdin: text },
        { at, stdinEnd: true },
        { at, stdinClosed: true },
        { at, signal, to: "tree" },
        { at, resize: { columns: 80, rows: 24 } }
      ]
      return entries[Math.abs(which) % entries.length]!
    }
  )
  const recording = Arbitrary.map(
    Arbitrary.all([Generators.command(), Generators.processId, Arbitrary.array(entry)]),
    ([{ argv, env }, id, entries]): Cassette.Recording => ({
      start: {
        run: argv,
        ...(env === undefined ? {} : { env: env as Record<string, string> }),
        stdin: "pipe",
        lingering: "kill",
        id,
        startedAt: 1,
        pid: 2
      },
      entries
    })
  )

  it.effect.prop(
    "every cassette survives being written and read",
    { recordings: Arbitrary.array(recording) },
    ({ recordings }) =>
      Effect.sync(() => {
        const cassette = { capabilities: TestExec.capabilities, recordings }
        assert.deepStrictEqual(Result.getOrThrow(Cassette.parse("x", Cassette.format(cassette))), cassette)
      })
  )
})
