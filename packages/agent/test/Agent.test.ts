/** The client against an agent that says what it likes: facts, credit, and all ways in which the pipe can be lost. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import { type Backend, Command, type ExecError } from "effect-exec"
import * as Agent from "../src/Agent.ts"
import type { Message } from "../src/internal/message.ts"
import { encode, hello } from "./agentFrames.ts"
import { connected, connectedHere, FakeAgent, request } from "./fakeAgent.ts"

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

const started: Message = { _tag: "Started", pid: 77 }
const empty: Message = { _tag: "Empty" }
const closed: Message = { _tag: "Closed", discardedStdout: 0n, discardedStderr: 0n }
const exit = (value: number): Message => ({ _tag: "Exit", how: 1, flags: 0, value, nanoseconds: 0n })

/** A command that the fake agent has started. */
const running = Effect.fnUntraced(function* (options?: Parameters<typeof request>[1], command?: Command.Command) {
  const { agent, backend } = yield* connected
  const scope = yield* Scope.make()
  const spawning = yield* fork(Scope.provide(backend.spawn(request(command, options)), scope))
  const { command: number } = yield* agent.told("start")
  agent.says(number, started)
  return { agent, backend, scope, number, process: yield* Fiber.join(spawning) }
})

const texts = (outputs: ReadonlyArray<Backend.Output>) => outputs.map(({ bytes, fd }) => `${fd}${Buffer.from(bytes)}`)

const reasonOf = <A, R>(effect: Effect.Effect<A, ExecError.ExecError, R>) =>
  Effect.map(Effect.flip(effect), (error) => error.reason)

const isLost = (reason: unknown, wasStarted: boolean) => {
  const { _tag, started } = reason as ExecError.ConnectionLost
  assert.deepStrictEqual({ _tag, started }, { _tag: "ConnectionLost", started: wasStarted })
}

describe("greeting", () => {
  it.live("gives the capabilities that the agent has", () =>
    Effect.gen(function* () {
      for (const [features, expected] of [
        [0x7f, { tree: "exact", tty: "real", user: "any", pidReuse: "exact" }],
        [4, { tree: "group+descent", tty: "none", user: "none", pidReuse: "checked" }],
        [0, { tree: "group", tty: "none", user: "none", pidReuse: "checked" }]
      ] as const) {
        const agent = new FakeAgent()
        const connecting = yield* fork(Agent.connect(agent.pipe))
        agent.says(0, { ...hello, features } as Message)
        const { pidReuse, tree, tty, user } = yield* (yield* Fiber.join(connecting)).capabilities
        assert.deepStrictEqual({ tree, tty, user, pidReuse }, expected)
      }
    })
  )

  const refused = (what: string, say: (agent: FakeAgent) => void, tag: string) =>
    it.live(`${what} is ${tag}, and the pipe is ended`, () =>
      Effect.gen(function* () {
        const agent = new FakeAgent()
        const connecting = yield* fork(reasonOf(Effect.scoped(Agent.connect(agent.pipe))))
        say(agent)
        assert.strictEqual((yield* Fiber.join(connecting))._tag, tag)
        assert.isTrue(agent.isEnded)
      })
    )
  refused("an end instead", (agent) => agent.leaves(), "BackendUnavailable")
  refused("a failure instead", (agent) => agent.leaves({ code: "ECONNRESET" }), "BackendUnavailable")
  refused("a shell's prompt instead", (agent) => agent.sends(Buffer.from("bash-5.2# what?\n")), "ProtocolViolation")
  refused("another frame instead", (agent) => agent.says(7, started), "ProtocolViolation")
  refused(
    "a version that nobody here speaks",
    (agent) => agent.says(0, { ...hello, versionMin: 2, versionMax: 3 } as Message),
    "ProtocolViolation"
  )
})

describe("a start", () => {
  it.live("says the environment of the host with that of the command, and secrets as they are", () =>
    Effect.gen(function* () {
      const agent = new FakeAgent()
      const connecting = yield* fork(
        Agent.connect(agent.pipe, { env: { A: "1", B: "2" }, cwd: (given) => `/base/${given}` })
      )
      agent.says(0, hello)
      const backend = yield* Fiber.join(connecting)
      const env = { B: undefined, C: Redacted.make("secret"), __proto__x: "ü" }
      yield* fork(Effect.scoped(backend.spawn(request(Command.make("program", ["a b"], { env, cwd: "here" })))))
      const { payload } = yield* agent.told("start")
      const text = payload.toString()
      for (const part of ["/base/here\0", "program\0", "a b\0", "A=1\0", "C=secret\0", "__proto__x=ü\0"]) {
        assert.include(text, part)
      }
      assert.notInclude(text, "B=")
      agent.leaves()
    })
  )

  const failing = (stage: number, error: string, tag: string) =>
    it.live(`that fails with ${error} in stage ${stage} is ${tag}`, () =>
      Effect.gen(function* () {
        const { agent, backend } = yield* connected
        const command = Command.make("program", [], { user: "u", cwd: "/c" })
        const spawning = yield* fork(reasonOf(Effect.scoped(backend.spawn(request(command)))))
        const { command: number } = yield* agent.told("start")
        agent.says(number, { _tag: "Failed", stage, error }, closed)
        assert.strictEqual((yield* Fiber.join(spawning))._tag, tag)
        assert.strictEqual(agent.count("signal"), 0, "there is nothing to kill")
        assert.deepStrictEqual(agent.holds, [true, false])
      })
    )
  failing(1, "EAGAIN", "StartFailed")
  failing(3, "EIO", "StartFailed")
  failing(4, "ENOENT", "UserNotFound")
  failing(4, "EPERM", "StartFailed")
  failing(5, "ENOTDIR", "CwdNotFound")
  failing(6, "E2BIG", "StartFailed")

  it.live("that is refused for too many commands is LimitReached", () =>
    Effect.gen(function* () {
      const { agent, backend } = yield* connected
      const spawning = yield* fork(reasonOf(Effect.scoped(backend.spawn(request()))))
      const { command: number } = yield* agent.told("start")
      agent.says(number, { _tag: "Refused", kind: 2, code: 5 })
      assert.strictEqual((yield* Fiber.join(spawning))._tag, "LimitReached")
    })
  )

  it.live("that is longer than the agent takes is StartFailed with E2BIG, and nothing is said", () =>
    Effect.gen(function* () {
      const { agent, backend } = yield* connected
      const reason = yield* reasonOf(Effect.scoped(backend.spawn(request(Command.make("x".repeat(5_000_000))))))
      assert.strictEqual(reason.detail?.code, "E2BIG")
      assert.deepStrictEqual([agent.count("start"), agent.holds], [0, []])
    })
  )

  it.live("that is interrupted kills what it may have started, and waits for that", () =>
    Effect.gen(function* () {
      const { agent, backend } = yield* connected
      const spawning = yield* fork(Effect.scoped(backend.spawn(request())))
      const { command: number } = yield* agent.told("start")
      const interrupting = yield* fork(Fiber.interrupt(spawning))
      const { payload } = yield* agent.told("signal")
      assert.deepStrictEqual([payload[4], payload[5]], [9, 2])
      assert.isUndefined(interrupting.pollUnsafe())
      agent.says(number, started, { _tag: "Exit", how: 2, flags: 0, value: 9, nanoseconds: 0n }, empty)
      yield* Fiber.join(interrupting)
    })
  )
})

describe("output", () => {
  it.live("of one read comes in one pull, in order, and ends with CLOSED", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      agent.says(number, { fd: 1, text: "a" }, { fd: 2, text: "b" }, { fd: 1, text: "c" }, exit(0), empty, closed)
      assert.deepStrictEqual(texts(yield* process.pull), ["1a", "2b", "1c"])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(process.pull)))
      assert.deepStrictEqual(yield* process.exited, { _tag: "Exited", code: 0 })
    })
  )

  it.live("is not lost by an interrupted pull", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      const pulling = yield* fork(process.pull)
      yield* Fiber.interrupt(pulling)
      agent.says(number, { fd: 1, text: "kept" })
      assert.deepStrictEqual(texts(yield* process.pull), ["1kept"])
    })
  )

  it.live("is not missed wherever the fiber yields", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      for (let ops = 3; ops < 14; ops++) {
        for (let turns = 0; turns < 8; turns++) {
          const pulling = yield* fork(Effect.provideService(process.pull, MaxOpsBeforeYield, ops))
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          agent.says(number, { fd: 1, text: "x" })
          assert.deepStrictEqual(texts(yield* Fiber.join(pulling)), ["1x"])
        }
      }
    })
  )

  it.live("gets credit back when it is pulled, and only then", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      const text = "x".repeat(65_536)
      for (let i = 0; i < 4; i++) agent.says(number, { fd: 2, text })
      yield* process.signal("SIGTERM", "process").pipe(Effect.timeoutOption(1))
      assert.strictEqual(agent.count("credit"), 0)
      yield* process.pull
      const { payload } = yield* agent.told("credit")
      assert.deepStrictEqual([payload[0], payload.readUInt32LE(1)], [2, 262_144])
    })
  )

  it.live("beyond the credit breaks the protocol: what was allowed is given, then ConnectionLost", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      const text = "x".repeat(65_536)
      for (let i = 0; i < 5; i++) agent.says(number, { fd: 1, text })
      assert.isAtLeast((yield* process.pull).length, 4)
      isLost(yield* reasonOf(process.pull as Effect.Effect<never, ExecError.ExecError>), true)
      yield* agent.until(() => agent.isEnded || undefined)
    })
  )

  it.live("that is closed gives what was read, then ends, whatever comes", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      agent.says(number, { fd: 1, text: "before" })
      yield* process.closeOutput
      yield* process.closeOutput
      agent.says(number, { fd: 1, text: "after" })
      assert.deepStrictEqual(texts(yield* process.pull), ["1before"])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(process.pull)))
      yield* agent.told("closeOutput")
      assert.strictEqual(agent.count("closeOutput"), 1)
    })
  )
})

describe("a handover", () => {
  const offer: Message = { _tag: "Handover", stream: 1, fd: 12, pid: 4711, offset: 3n }
  const spawned = Effect.fnUntraced(function* (
    { agent, backend }: Effect.Success<typeof connected>,
    options?: Parameters<typeof request>[1]
  ) {
    const scope = yield* Scope.make()
    const index = agent.count("start")
    const spawning = yield* fork(Scope.provide(backend.spawn(request(undefined, options)), scope))
    const { command: number, payload } = yield* agent.told("start", index)
    agent.says(number, started)
    return { agent, scope, number, process: yield* Fiber.join(spawning), mayOffer: (payload[0]! & 4) !== 0 }
  })
  const chosen = (agent: FakeAgent) =>
    Effect.map(agent.told("hello"), ({ payload }) => (payload.readUInt32LE(8) & 8) !== 0)
  const isDone = (pull: Backend.Running["pull"]) => Effect.map(Effect.exit(pull), Exit.isFailure)

  /** A command whose stdout is handed over after three bytes. */
  const handedOver = Effect.fnUntraced(function* (options?: Parameters<typeof request>[1]) {
    const it = yield* spawned(yield* connectedHere(), options)
    it.agent.says(it.number, { fd: 1, text: "abc" }, offer)
    yield* it.agent.told("handoverTaken")
    return { ...it, pipe: it.agent.pipes[0]! }
  })

  it.live("is asked for where a pipe can be opened and the agent offers it", () =>
    Effect.gen(function* () {
      for (const [connecting, expected] of [
        [connected, false],
        [connectedHere(), true],
        [connectedHere({ ...hello, features: 0x77 } as Message), false]
      ] as const) {
        const connection = yield* connecting
        assert.strictEqual(yield* chosen(connection.agent), expected)
        assert.strictEqual((yield* spawned(connection)).mayOffer, expected)
      }
    })
  )

  it.live("gives what was relayed, then what the pipe brings, and ends when both have", () =>
    Effect.gen(function* () {
      const { agent, number, pipe, process } = yield* handedOver()
      assert.deepStrictEqual(pipe.from, [4711, 12])
      pipe.gives(Buffer.from("def"))
      assert.deepStrictEqual(texts(yield* process.pull), ["1abc", "1def"])
      const pulling = yield* fork(process.pull)
      agent.says(number, exit(0), empty, closed)
      yield* Effect.yieldNow
      assert.isUndefined(pulling.pollUnsafe())
      pipe.gives(Buffer.from("ghi"))
      assert.deepStrictEqual(texts(yield* Fiber.join(pulling)), ["1ghi"])
      const last = yield* fork(isDone(process.pull))
      pipe.ends()
      assert.isTrue(yield* Fiber.join(last))
    })
  )

  it.live("does not end before the agent says so", () =>
    Effect.gen(function* () {
      const { agent, number, pipe, process } = yield* handedOver()
      pipe.ends()
      agent.says(number, { fd: 2, text: "later" })
      assert.deepStrictEqual(texts(yield* process.pull), ["1abc", "2later"])
      agent.says(number, exit(0), empty, closed)
      assert.isTrue(yield* isDone(process.pull))
    })
  )

  it.live("is not read further than one may wait for it, and is read on when it is pulled", () =>
    Effect.gen(function* () {
      const { pipe, process } = yield* handedOver()
      let given = 0
      while (pipe.gives(new Uint8Array(65_536))) given += 65_536
      assert.isAtMost(given, 1024 * 1024)
      assert.strictEqual(pipe.resumed, 0)
      yield* process.pull
      assert.strictEqual(pipe.resumed, 1)
      pipe.gives(new Uint8Array(1))
      yield* process.pull
      assert.strictEqual(pipe.resumed, 1)
    })
  )

  it.live("is refused for good where the pipe cannot be opened", () =>
    Effect.gen(function* () {
      const connection = yield* connectedHere()
      connection.agent.canAdopt = false
      const { agent, number, process } = yield* spawned(connection)
      agent.says(number, { fd: 1, text: "abc" }, offer, { fd: 1, text: "def" })
      const { payload } = yield* agent.told("handoverRefused")
      assert.deepStrictEqual([...payload], [1])
      assert.deepStrictEqual(texts(yield* process.pull), ["1abc", "1def"])
      assert.isFalse((yield* spawned(connection)).mayOffer)
    })
  )

  it.live("is refused where both streams flow, which is no reason to refuse others", () =>
    Effect.gen(function* () {
      const connection = yield* connectedHere()
      const { agent, number } = yield* spawned(connection)
      agent.says(number, { fd: 2, text: "e" }, { fd: 1, text: "abc" }, offer)
      yield* agent.told("handoverRefused")
      assert.lengthOf(agent.pipes, 0)
      assert.isTrue((yield* spawned(connection)).mayOffer)
    })
  )

  it.live("that crossed the closing of the output is not answered", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* spawned(yield* connectedHere())
      agent.says(number, { fd: 1, text: "abc" })
      yield* process.closeOutput
      agent.says(number, offer)
      yield* process.signal("SIGTERM", "process").pipe(Effect.timeoutOption(1))
      assert.deepStrictEqual([agent.pipes.length, agent.count("handoverTaken")], [0, 0])
    })
  )

  for (const [what, options] of [
    ["that is closed", {}],
    ["of what others were left behind by", { lingering: "leave" }]
  ] as const) {
    it.live(`${what} gives what is in the pipe, then ends`, () =>
      Effect.gen(function* () {
        const { agent, number, pipe, process } = yield* handedOver(options)
        pipe.rest = "last"
        if ("lingering" in options) agent.says(number, exit(0), { _tag: "Drained" })
        else yield* process.closeOutput
        assert.isTrue(pipe.isClosed)
        assert.deepStrictEqual(texts(yield* process.pull), ["1abc", "1last"])
        assert.isTrue(yield* isDone(process.pull))
        yield* agent.told("closeOutput")
      })
    )
  }

  it.live("gives what is in the pipe when the agent is lost, then ConnectionLost", () =>
    Effect.gen(function* () {
      const { agent, pipe, process } = yield* handedOver()
      pipe.rest = "last"
      agent.leaves()
      yield* agent.until(() => agent.isEnded || undefined)
      assert.isTrue(pipe.isClosed)
      assert.deepStrictEqual(texts(yield* process.pull), ["1abc", "1last"])
      isLost(yield* reasonOf(process.pull as Effect.Effect<never, ExecError.ExecError>), true)
    })
  )

  it.live("whose pipe cannot be read any more is ConnectionLost", () =>
    Effect.gen(function* () {
      const { pipe, process } = yield* handedOver()
      pipe.ends({ code: "EIO" })
      assert.deepStrictEqual(texts(yield* process.pull), ["1abc"])
      isLost(yield* reasonOf(process.pull as Effect.Effect<never, ExecError.ExecError>), true)
    })
  )

  it.live("is closed with the scope, also after the agent's last word", () =>
    Effect.gen(function* () {
      const { agent, number, pipe, scope } = yield* handedOver()
      agent.says(number, exit(0), empty, closed)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(pipe.isClosed)
    })
  )
})

describe("lingering leave", () => {
  it.live("closes the output when all of the process's own has come; the scope then kills nobody", () =>
    Effect.gen(function* () {
      const { agent, number, process, scope } = yield* running({ lingering: "leave" })
      agent.says(number, exit(3), { fd: 1, text: "own" }, { _tag: "Drained" })
      yield* agent.told("closeOutput")
      assert.deepStrictEqual(texts(yield* process.pull), ["1own"])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(process.pull)))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(agent.count("signal"), 0)
      assert.deepStrictEqual(agent.holds, [true, false])
    })
  )

  it.live("kills what has not exited", () =>
    Effect.gen(function* () {
      const { agent, number, scope } = yield* running({ lingering: "leave" })
      const closing = yield* fork(Scope.close(scope, Exit.void))
      yield* agent.told("signal")
      agent.says(number, exit(0), empty)
      yield* Fiber.join(closing)
    })
  )
})

describe("signals", () => {
  it.live("wait for their answers, whatever their order; what has gone is no failure", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      const first = yield* fork(process.signal("SIGUSR1", "process"))
      const second = yield* fork(reasonOf(process.signal("SIGUSR2", "tree")))
      yield* agent.told("signal", 1)
      agent.says(number, { _tag: "Signaled", request: 2, count: 0, error: "EPERM" })
      assert.strictEqual((yield* Fiber.join(second))._tag, "KillFailed")
      agent.says(number, { _tag: "Signaled", request: 1, count: 0, error: "ESRCH" })
      yield* Fiber.join(first)
    })
  )

  it.live("many KILLs of a tree are one, and an impatient one takes none of the others with it", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      const kills = yield* Effect.forEach([1, 2, 3], () => fork(process.signal("SIGKILL", "tree")))
      yield* agent.told("signal")
      yield* Fiber.interrupt(kills[0]!)
      agent.says(number, exit(0), empty)
      yield* Fiber.join(kills[1]!)
      yield* Fiber.join(kills[2]!)
      yield* process.signal("SIGKILL", "tree")
      assert.strictEqual(agent.count("signal"), 1)
    })
  )
})

describe("stdin", () => {
  it.live("is written as far as there is credit; one write is not mixed with another", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running({ stdin: "pipe" })
      const writing = yield* fork(process.write(new Uint8Array(200_000).fill(1)))
      const other = yield* fork(process.write(new Uint8Array(10).fill(2)))
      yield* agent.told("stdin", 1)
      const sent = () => Buffer.concat(agent.requests.flatMap((it) => (it.kind === "stdin" ? [it.payload] : [])))
      assert.strictEqual(sent().length, 131_072)
      assert.isUndefined(writing.pollUnsafe())
      agent.says(number, { _tag: "StdinCredit", bytes: 131_072 })
      yield* Fiber.join(writing)
      yield* Fiber.join(other)
      yield* process.closeStdin
      yield* process.closeStdin
      yield* agent.told("stdinEof")
      assert.strictEqual(sent().length, 200_010)
      assert.isTrue(
        sent()
          .subarray(200_000)
          .every((byte) => byte === 2)
      )
      assert.strictEqual(agent.count("stdinEof"), 1)
      assert.strictEqual((yield* reasonOf(process.write(new Uint8Array(1))))._tag, "ProcessExited")
    })
  )

  for (const end of [{ _tag: "StdinClosed" } as const, exit(0)]) {
    it.live(`that nobody reads any more (${end._tag}) fails a write that waits, and the next one`, () =>
      Effect.gen(function* () {
        const { agent, number, process } = yield* running({ stdin: "pipe" })
        const writing = yield* fork(reasonOf(process.write(new Uint8Array(200_000))))
        yield* agent.told("stdin", 1)
        agent.says(number, end)
        assert.strictEqual((yield* Fiber.join(writing))._tag, "ProcessExited")
        assert.strictEqual((yield* reasonOf(process.write(new Uint8Array(1))))._tag, "ProcessExited")
      })
    )
  }
})

describe("who is told and does not wait", () => {
  /** What a listener of this process is told, together with what a fiber learns that waits for the exit. */
  const told = Effect.fnUntraced(function* ({ exited, tell }: Backend.Running) {
    const all: Array<string> = []
    yield* fork(Effect.onExit(exited, (exit) => Effect.sync(() => all.push(`waited ${exit._tag}`))))
    tell!({ exited: (exit) => all.push(`exited ${exit._tag}`), readable: () => all.push("readable") })
    return all
  })
  // Methods need their object.
  const bound = (process: Backend.Running): Backend.Running => ({
    ...process,
    exited: process.exited,
    tell: (listener) => process.tell!(listener),
    whenReadable: () => process.whenReadable!()
  })

  it.live("learns of the exit before whoever waits for it, and once, also where the pipe is lost later", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      const all = yield* told(bound(process))
      agent.says(number, exit(5))
      assert.deepStrictEqual(all, ["exited Success", "waited Success"])
      agent.leaves()
      yield* agent.until(() => agent.isEnded || undefined)
      assert.deepStrictEqual(yield* told(bound(process)), ["waited Success", "exited Success"])
      assert.deepStrictEqual(all, ["exited Success", "waited Success"])
    })
  )

  it.live("learns of the loss as of an exit", () =>
    Effect.gen(function* () {
      const { agent, process } = yield* running()
      const all = yield* told(bound(process))
      agent.leaves()
      yield* agent.until(() => agent.isEnded || undefined)
      assert.deepStrictEqual(all, ["exited Failure", "waited Failure"])
    })
  )

  it.live(
    "learns that there is something to pull: when asked for, once, and not where there is something already",
    () =>
      Effect.gen(function* () {
        const { agent, number, process } = yield* running()
        const { whenReadable, ...rest } = bound(process)
        const all = yield* told(rest)
        agent.says(number, { fd: 1, text: "not asked" })
        assert.isFalse(whenReadable!())
        yield* process.pull
        assert.isTrue(whenReadable!())
        agent.says(number, { fd: 1, text: "first" })
        agent.says(number, { fd: 2, text: "second" })
        assert.deepStrictEqual(all, ["readable"])
        assert.isFalse(whenReadable!())
        assert.deepStrictEqual(texts(yield* process.pull), ["1first", "2second"])
        assert.isTrue(whenReadable!())
        agent.says(number, exit(0), empty, closed)
        assert.include(all.slice(1), "readable")
        assert.isFalse(whenReadable!())
        assert.isTrue(Exit.isFailure(yield* Effect.exit(process.pull)))
      })
  )
})

describe("a lost pipe", () => {
  const losses: ReadonlyArray<readonly [what: string, lose: (agent: FakeAgent) => void, isSilent: boolean]> = [
    ["its end", (agent) => agent.leaves(), true],
    ["its failure", (agent) => agent.leaves({ code: "ECONNRESET" }), true],
    ["an ERROR", (agent) => agent.says(0, { _tag: "Error", code: 4, text: "no more memory" }), false],
    ["garbage", (agent) => agent.sends(Buffer.alloc(12, 0xff)), false]
  ]
  for (const [what, lose, isSilent] of losses) {
    it.live(`(${what}) fails all that waits, after the bytes that came, and new spawns; nothing hangs`, () =>
      Effect.gen(function* () {
        const { agent, backend, number, process, scope } = yield* running({ stdin: "pipe" })
        const waiting = yield* Effect.forEach(
          [
            process.exited,
            process.treeEmpty,
            process.signal("SIGTERM", "tree"),
            process.signal("SIGKILL", "tree"),
            process.write(new Uint8Array(200_000))
          ],
          (effect: Effect.Effect<unknown, ExecError.ExecError>) => fork(reasonOf(effect))
        )
        yield* agent.told("stdin", 1)
        agent.says(number, { fd: 1, text: "whole" })
        // A frame of which only a part came, where nothing that comes later would be taken for its rest.
        if (isSilent) agent.sends(encode({ command: number, fd: 2, bytes: Buffer.from("partial") }).subarray(0, 16))
        lose(agent)
        yield* agent.until(() => agent.isEnded || undefined)
        assert.deepStrictEqual(texts(yield* process.pull), isSilent ? ["1whole", "2part"] : ["1whole"])
        isLost(yield* reasonOf(process.pull as Effect.Effect<never, ExecError.ExecError>), true)
        for (const fiber of waiting) isLost(yield* Fiber.join(fiber), true)
        isLost(yield* reasonOf(process.signal("SIGTERM", "process")), true)
        isLost(yield* reasonOf(process.write(new Uint8Array(1))), true)
        const later = yield* reasonOf(Effect.scoped(backend.spawn(request())))
        assert.strictEqual(later._tag, "BackendUnavailable")
        yield* Scope.close(scope, Exit.void)
      })
    )
  }

  it.live("leaves known what is known: a process that had exited, and output that had ended", () =>
    Effect.gen(function* () {
      const { agent, number, process } = yield* running()
      agent.says(number, { fd: 1, text: "all" }, exit(5), { _tag: "Drained" }, empty, closed)
      agent.leaves()
      yield* agent.until(() => agent.isEnded || undefined)
      assert.deepStrictEqual(yield* process.exited, { _tag: "Exited", code: 5 })
      yield* process.treeEmpty
      yield* process.signal("SIGKILL", "tree")
      assert.deepStrictEqual(texts(yield* process.pull), ["1all"])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(process.pull)))
    })
  )

  it.live("fails a start that went out with started: true, and one that cannot have with started: false", () =>
    Effect.gen(function* () {
      const { agent, backend } = yield* connected
      const first = yield* fork(reasonOf(Effect.scoped(backend.spawn(request()))))
      yield* agent.told("start")
      agent.isWritable = false
      // This one takes the writer, and waits in it; the next one is behind it.
      const second = yield* fork(reasonOf(Effect.scoped(backend.spawn(request()))))
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve)))
      const third = yield* fork(reasonOf(Effect.scoped(backend.spawn(request()))))
      agent.leaves()
      isLost(yield* Fiber.join(first), true)
      isLost(yield* Fiber.join(second), true)
      const reason = yield* Fiber.join(third)
      isLost(reason, false)
      assert.isTrue(reason.isRetryable)
    })
  )

  it.live("a scope that closes ends the pipe; who still waits learns it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { agent, backend } = yield* Scope.provide(connected, scope)
      const spawning = yield* fork(reasonOf(Effect.scoped(backend.spawn(request()))))
      yield* agent.told("start")
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(agent.isEnded)
      isLost(yield* Fiber.join(spawning), true)
    })
  )
})
