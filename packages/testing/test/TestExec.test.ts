/**
 * How a user tests a program that runs commands: swap the layer, write the commands as Effects, and let the test say
 * how much time passes.
 */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Command, Exec, ExecError, ExitStatus, Process } from "effect-exec"
import { type Program, TestExec } from "@effect-exec/testing"

/** A program under test: it knows nothing of where its commands run. */
const deploy = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  const branch = yield* Exec.orFail(exec.run(Command.make("git", ["branch", "--show-current"])))
  if (branch.stdout !== "main\n") return `not on main but on ${branch.stdout.trim()}`
  const server = yield* exec.detach(Command.make("server"), { tag: "server" })
  yield* Exec.lines(server.events()).pipe(
    Stream.takeUntil((line) => line === "listening"),
    Stream.runDrain
  )
  return "deployed"
})

const git =
  (branch: string): Program.Program =>
  (io) =>
    io.args[0] === "branch" ? io.stdout(`${branch}\n`) : Effect.succeed(1)

const server =
  (started: Deferred.Deferred<void>): Program.Program =>
  (io) =>
    Effect.gen(function* () {
      yield* io.stdout("starting\n")
      yield* Deferred.succeed(started, void 0)
      yield* Effect.sleep("1 hour")
      yield* io.stdout("listening\n")
      return yield* Effect.never
    })

describe("a test swaps the layer", () => {
  it.effect("the command says no", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* deploy, "not on main but on feature")
    }).pipe(Effect.provide(TestExec.layer({ programs: { git: git("feature") } })))
  )

  it.effect("a command is missing", () =>
    Effect.gen(function* () {
      const reason = yield* deploy.pipe(
        Effect.as("deployed"),
        Effect.catchReason("ExecError", "CommandNotFound", ({ program }) => Effect.succeed(program))
      )
      assert.strictEqual(reason, "server")
    }).pipe(Effect.provide(TestExec.layer({ programs: { git: git("main") } })))
  )

  it.effect("an hour passes at once", () => {
    const started = Deferred.makeUnsafe<void>()
    return Effect.gen(function* () {
      const deploying = yield* Effect.forkChild(deploy)
      // Time passes for those who wait for it: the server has to be there first.
      yield* Deferred.await(started)
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual(deploying.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(yield* Fiber.join(deploying), "deployed")
    }).pipe(Effect.provide(TestExec.layer({ programs: { git: git("main"), server: server(started) } })))
  })
})

const layer = (programs: Readonly<Record<string, Program.Program>>) => TestExec.layer({ programs })

describe("virtual time", () => {
  const hang: Program.Program = () => Effect.never
  const stubborn: Program.Program = (io) => Effect.andThen(io.on("SIGTERM", "ignore"), Effect.never)

  it.effect("C12 the default timeout of 30 s", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(Command.make("hang")))
      yield* TestClock.adjust("29 seconds")
      assert.strictEqual(running.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      const result = yield* Fiber.join(running)
      assert.isTrue(result.timedOut)
      assert.deepStrictEqual(result.status, ExitStatus.signaled("SIGTERM"))
      assert.strictEqual(Duration.toSeconds(result.duration), 30)
    }).pipe(Effect.provide(layer({ hang })))
  )

  it.effect("C12 what ignores TERM is killed after the grace of 2 s", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(Command.make("stubborn")))
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(running.pollUnsafe(), undefined)
      yield* TestClock.adjust("1 second")
      const result = yield* Fiber.join(running)
      assert.deepStrictEqual(result.status, ExitStatus.signaled("SIGKILL"))
      assert.strictEqual(Duration.toSeconds(result.duration), 32)
    }).pipe(Effect.provide(layer({ stubborn })))
  )

  it.effect("C12 Duration.infinity disables the timeout", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(Command.make("day"), { timeout: Duration.infinity }))
      yield* TestClock.adjust("1 day")
      assert.strictEqual((yield* Fiber.join(running)).stdout, "done")
    }).pipe(Effect.provide(layer({ day: (io) => Effect.andThen(Effect.sleep("1 day"), io.stdout("done")) })))
  )

  it.effect("C15 what escaped the tree ends the drain after 200 ms of silence", () =>
    Effect.gen(function* () {
      const running = yield* Effect.forkChild(Exec.run(Command.make("escape")))
      // Each of its steps of 20 ms passes by whichever clock is first, the machine's or the virtual one.
      const began = performance.now()
      let virtual = 0
      for (; running.pollUnsafe() === undefined; virtual += 10) yield* TestClock.adjust("10 millis")
      assert.isAtMost(virtual, 200)
      assert.isAtLeast(virtual + (performance.now() - began), 190)
      const result = yield* Fiber.join(running)
      assert.isTrue(result.incomplete)
      assert.strictEqual(result.stdout, "hi\n")
    }).pipe(
      Effect.provide(
        layer({
          escape: (io) =>
            Effect.andThen(
              io.fork(() => Effect.never, { escape: true }),
              io.stdout("hi\n")
            )
        })
      )
    )
  )

  it.effect("C35 an exited process is retained for an hour", () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const process = yield* exec.detach(Command.make("true"), { tag: "retained" })
      yield* process.wait()
      yield* TestClock.adjust("59 minutes")
      assert.strictEqual((yield* exec.get("retained")).id, process.id)
      yield* TestClock.adjust("2 minutes")
      const error = yield* Effect.flip(exec.get("retained"))
      assert.strictEqual(error.reason._tag, "ProcessNotFound")
    }).pipe(Effect.provide(layer({ true: () => Effect.void })))
  )
})

describe("programs", () => {
  it.effect("wait while their pipe is full, and go on when somebody reads", () => {
    let written = 0
    const block = (io: Program.ProcessIO) =>
      Effect.andThen(
        io.stdout(new Uint8Array(1024)),
        Effect.sync(() => written++)
      )
    const writer: Program.Program = (io) => Effect.asVoid(Effect.repeat(block(io), { times: 199 }))
    return Effect.gen(function* () {
      const process = yield* Exec.spawn(Command.make("writer"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(written, 64)
      yield* Stream.runDrain(process.events)
      assert.strictEqual(written, 200)
    }).pipe(Effect.scoped, Effect.provide(layer({ writer })))
  })

  it.effect("die by a signal that they do not trap; traps run, and may end them", () =>
    Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const process = yield* exec.detach(Command.make("trap"))
      yield* TestClock.adjust(0)
      yield* process.kill({ signal: "SIGUSR1" })
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* process.read).stdout, "caught\n")
      yield* process.kill({ signal: "SIGUSR2" })
      assert.deepStrictEqual((yield* process.wait()).status, ExitStatus.exited(9))
      const other = yield* exec.detach(Command.make("trap"))
      yield* other.kill({ signal: "SIGHUP" })
      assert.deepStrictEqual((yield* other.wait()).status, ExitStatus.signaled("SIGHUP"))
    }).pipe(
      Effect.provide(
        layer({
          trap: (io) =>
            Effect.gen(function* () {
              yield* io.on("SIGUSR1", io.stdout("caught\n"))
              yield* io.on("SIGUSR2", io.exit(9))
              return yield* Effect.never
            })
        })
      )
    )
  )

  it.effect("release what their scope holds, however they end", () => {
    let released = 0
    const holder: Program.Program = () =>
      Effect.andThen(
        Effect.addFinalizer(() => Effect.sync(() => released++)),
        Effect.never
      )
    return Effect.gen(function* () {
      yield* Effect.scoped(Effect.andThen(Exec.spawn(Command.make("holder")), TestClock.adjust(0)))
      assert.strictEqual(released, 1)
      yield* Effect.gen(function* () {
        yield* Exec.detach(Command.make("holder"))
        yield* TestClock.adjust(0)
      }).pipe(Effect.provide(layer({ holder })))
      assert.strictEqual(released, 2)
    }).pipe(Effect.provide(layer({ holder })))
  })

  it.effect("a defect in a program is the defect of whoever runs it", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Exec.run(Command.make("broken")))
      assert.strictEqual(exit._tag, "Failure")
      assert.include(JSON.stringify(exit), "Die")
      assert.isFalse(yield* Effect.map(Effect.flip(Effect.sandbox(exit)), (it) => ExecError.isExecError(it)))
    }).pipe(Effect.provide(layer({ broken: () => Effect.die(new Error("a bug in the test")) })))
  )

  it.effect("C38 callbacks are called in virtual time", () =>
    Effect.gen(function* () {
      const ticks: Array<string> = []
      const process = yield* Exec.detach(Command.make("ticker"))
      yield* Process.observe(process, { onStdout: (text) => Effect.sync(() => ticks.push(text)) })
      yield* TestClock.adjust("2500 millis")
      assert.deepStrictEqual(ticks, ["tick\n", "tick\n"])
    }).pipe(
      Effect.scoped,
      Effect.provide(
        layer({ ticker: (io) => Effect.forever(Effect.andThen(Effect.sleep("1 second"), io.stdout("tick\n"))) })
      )
    )
  )
})
