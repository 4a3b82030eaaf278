/** The variant with an agent: what only it can do, and what must hold when it, or this process, is killed. */
import { spawn as spawnRaw } from "node:child_process"
import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { PassThrough } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { MaxOpsBeforeYield } from "effect/Scheduler"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as Agent from "@effect-exec/agent/Agent"
import { type Backend, Command, Exec } from "effect-exec"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as AgentPipe from "../src/internal/agentPipe.ts"
import { Output } from "../src/internal/output.ts"
import * as Procfs from "../src/internal/procfs.ts"
import * as LocalExec from "../src/LocalExec.ts"
import { agents, marked, marker, node, tree } from "./agentSupport.ts"
import { alive, eventually, executable, portable, readAll, readUntil, request, temporary } from "./support.ts"

const fds = () => Fs.readdirSync("/proc/self/fd").length

/** How many pipes are open here: one more for each command whose output is read without the agent. */
const pipes = () =>
  Fs.readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return Fs.readlinkSync(`/proc/self/fd/${fd}`).startsWith("pipe:")
    } catch {
      return false
    }
  }).length

// 68 MB, of which no two lines are the same.
const lines = 8_600_000
const reference = (() => {
  let hash: string | undefined
  return Effect.promise(async () => {
    if (hash !== undefined) return hash
    const all = createHash("sha256")
    for await (const chunk of spawnRaw("seq", [String(lines)]).stdout) all.update(chunk as Buffer)
    return (hash = all.digest("hex"))
  })
})()

/** Reads to the end; what it brings is hashed, and how many pipes were open meanwhile is counted. */
const readHash = Effect.fnUntraced(function* (
  running: Backend.Running,
  fd: 1 | 2,
  pull: (round: number) => Backend.Running["pull"] = () => running.pull
) {
  const all = createHash("sha256")
  let open = 0
  let round = 0
  const one = Effect.suspend(() =>
    Effect.map(pull(round++), (outputs) => {
      open = Math.max(open, pipes())
      for (const output of outputs) {
        assert.strictEqual(output.fd, fd)
        all.update(output.bytes)
      }
    })
  )
  yield* Effect.flip(Effect.forever(one))
  return { hash: all.digest("hex"), open }
})

const spawn = (backend: Effect.Success<ReturnType<typeof LocalExec.backend>>, command: Command.Command) =>
  backend.spawn(request(command))

/** A backend with its agent, which has started. */
const started = Effect.gen(function* () {
  const before = agents()
  const backend = yield* LocalExec.backend()
  yield* backend.capabilities
  const [agent] = agents().filter((pid) => !before.includes(pid))
  return { backend, agent: agent! }
})

const rss = (pid: number): number => Number(/VmRSS:\s*(\d+)/.exec(Procfs.readText(`/proc/${pid}/status`)!)![1])

describe("without an agent", () => {
  it.live("output is not missed wherever the fiber that pulls yields", () =>
    Effect.gen(function* () {
      const [stdout, stderr] = [new PassThrough(), new PassThrough()]
      const { pull } = new Output(stdout, stderr)
      for (let ops = 3; ops < 14; ops++) {
        for (let turns = 0; turns < 8; turns++) {
          const pulling = yield* Effect.forkChild(Effect.provideService(pull, MaxOpsBeforeYield, ops), {
            startImmediately: true
          })
          for (let i = 0; i < turns; i++) yield* Effect.yieldNow
          stdout.write("x")
          const [{ bytes }] = yield* Fiber.join(pulling)
          assert.strictEqual(bytes.length, 1)
        }
      }
    })
  )
})

describe.skipIf(AgentBackend.program() === undefined)("with an agent", () => {
  describe("who is killed", () => {
    it.live(
      "SIGKILL of this process leaves nothing within a second, whatever escaped and whatever is being written",
      () =>
        Effect.gen(function* () {
          const mark = marker()
          const host = yield* node("trees.ts", mark)
          yield* eventually(() => host.output().includes("READY"))
          const [agent] = agents(host.pid)
          assert.isAtLeast(marked(mark).length, 5 * 4)
          const before = performance.now()
          host.kill()
          yield* eventually(() => marked(mark).length === 0 && !alive(agent!))
          assert.isBelow(performance.now() - before, 1000)
        })
    )

    it.live("SIGKILL of the agent is ConnectionLost for all its commands, nothing is left, and the next starts", () =>
      Effect.gen(function* () {
        const mark = marker()
        const { agent, backend } = yield* started
        const all = yield* Effect.forEach(Array.from({ length: 10 }), () => spawn(backend, tree(mark)))
        for (const running of all) yield* readUntil(running, /READY/)
        process.kill(agent, "SIGKILL")
        for (const running of all) {
          for (const effect of [Effect.asVoid(running.exited), running.treeEmpty, running.signal("SIGTERM", "tree")]) {
            assert.strictEqual((yield* Effect.flip(effect)).reason._tag, "ConnectionLost")
          }
          const { ended } = yield* readAll(running)
          assert.include(String(ended), "lost")
        }
        yield* eventually(() => marked(mark).length === 0)
        const next = yield* spawn(backend, Command.make("echo", ["again"]))
        assert.strictEqual((yield* readAll(next)).stdout, "again\n")
      })
    )

    it.live("closing the scope ends the agent, and what was left behind with it", () =>
      Effect.gen(function* () {
        const mark = marker()
        const scope = yield* Scope.make()
        const { agent, backend } = yield* Scope.provide(started, scope)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const command = Command.shell(`setsid sleep ${mark} & echo hi`)
            const running = yield* backend.spawn(request(command, { lingering: "leave" }))
            assert.strictEqual((yield* readAll(running)).stdout, "hi\n")
            yield* running.exited
          })
        )
        assert.lengthOf(marked(mark), 1)
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual([marked(mark), alive(agent)], [[], false])
      })
    )
  })

  describe("an idle agent", () => {
    it.live("is not started before it is needed", () =>
      Effect.gen(function* () {
        const before = agents()
        const backend = yield* LocalExec.backend()
        assert.deepStrictEqual(agents(), before)
        yield* Effect.scoped(spawn(backend, Command.make("true")))
        assert.lengthOf(agents(), before.length + 1)
        yield* Effect.scoped(spawn(backend, Command.make("true")))
        assert.lengthOf(agents(), before.length + 1)
      })
    )

    it.live("does not keep this process from ending; a command that runs does", () =>
      Effect.gen(function* () {
        const host = yield* node("idle.ts")
        assert.strictEqual(yield* host.exited, 0)
        assert.strictEqual(host.output(), "done exact\n")
      })
    )
  })

  describe("many commands", () => {
    it.live("one whose output nobody reads holds up none of 99 others", () =>
      Effect.gen(function* () {
        const { agent, backend } = yield* started
        const stalled = yield* spawn(backend, Command.make("yes"))
        const before = rss(agent)
        const expected = Array.from({ length: 20_000 }, (_, i) => `${i + 1}\n`).join("")
        const outputs = yield* Effect.forEach(
          Array.from({ length: 99 }),
          () => Effect.scoped(Effect.flatMap(spawn(backend, Command.make("seq", ["20000"])), readAll)),
          { concurrency: 99 }
        )
        for (const { stdout } of outputs) assert.strictEqual(stdout, expected)
        assert.isBelow(rss(agent) - before, 4096)
        // It stopped for want of a reader, and goes on with one.
        const [{ bytes }] = yield* stalled.pull
        assert.isAbove(bytes.length, 0)
        yield* stalled.signal("SIGKILL", "tree")
      })
    )

    const rounds = Number(process.env["EFFECT_EXEC_ROUNDS"] ?? 1000)
    it.live(
      `${rounds} random trees, interrupted, killed or timed out: nothing is left, and the agent's memory is flat`,
      () =>
        Effect.gen(function* () {
          const mark = marker()
          const { agent, backend } = yield* started
          const exec = yield* Exec.make(backend)
          const fds = () => Fs.readdirSync(`/proc/${agent}/fd`).length
          const scripts = [
            `sleep ${mark}`,
            `sleep ${mark} & sleep ${mark} & wait`,
            `(setsid sleep ${mark} &) ; exec sleep ${mark}`,
            `(env -i setsid sleep ${mark} &) ; yes`,
            `trap '' TERM; sleep ${mark} & yes >&2`
          ]
          const one = (round: number): Effect.Effect<unknown, unknown> => {
            const command = Command.shell(scripts[Math.floor(Math.random() * scripts.length)]!)
            const millis = Math.floor(Math.random() * 12)
            switch (round % 4) {
              case 0:
                return Effect.timeoutOption(exec.run(command, { grace: 5 }), millis)
              case 1:
                return exec.run(command, { timeout: millis, grace: 5 })
              case 2:
                return exec.stream(command, { grace: 5 }).pipe(Stream.take(1), Stream.runDrain)
              default:
                return Effect.flatMap(exec.detach(command), (it) =>
                  Effect.andThen(Effect.sleep(millis), it.kill({ grace: 5 }))
                )
            }
          }
          const some = (count: number) =>
            Effect.forEach(Array.from({ length: count }), (_, i) => one(i), { concurrency: 8, discard: true })
          yield* some(Math.floor(rounds / 5))
          const before = { fds: fds(), rss: rss(agent) }
          yield* some(rounds - Math.floor(rounds / 5))
          yield* eventually(() => marked(mark).length === 0)
          yield* eventually(() => fds() <= before.fds)
          assert.isBelow(rss(agent) - before.rss, 1024)
        }),
      { timeout: 120_000 + rounds * 100 }
    )

    it.live("a burst of 64 starts blocks this thread for less than half as long as 64 spawns of Node's", () =>
      Effect.gen(function* () {
        const { backend } = yield* started
        const ours = () => {
          const before = performance.now()
          const fibers = Array.from({ length: 64 }, () =>
            Effect.runFork(Effect.scoped(Effect.flatMap(spawn(backend, Command.make("true")), (it) => it.exited)))
          )
          return { took: performance.now() - before, done: Effect.forEach(fibers, Fiber.join) }
        }
        const raw = () => {
          const before = performance.now()
          const children = Array.from({ length: 64 }, () => spawnRaw("true", { stdio: ["ignore", "pipe", "pipe"] }))
          const took = performance.now() - before
          const ends = children.map((child) => new Promise((resolve) => child.once("close", resolve)))
          return { took, done: Effect.promise(() => Promise.all(ends)) }
        }
        const ratios: Array<number> = []
        for (let i = 0; i < 5; i++) {
          const one = ours()
          yield* one.done
          const other = raw()
          yield* other.done
          ratios.push(one.took / other.took)
        }
        assert.isBelow(ratios.sort((a, b) => a - b)[2]!, 0.5)
      })
    )
  })

  describe("a busy command", () => {
    const shell = (fd: 1 | 2, script: string) => Command.shell(fd === 1 ? script : `(${script}) >&2`)
    const seq = (fd: 1 | 2) => shell(fd, `seq ${lines}`)

    /** A command of whom more came already than the agent relays by itself. */
    const handedOver = Effect.fnUntraced(function* (backend: Backend.Backend, command: Command.Command) {
      const before = pipes()
      const running = yield* backend.spawn(request(command))
      let read = 0
      while (pipes() === before) for (const { bytes } of yield* running.pull) read += bytes.length
      return { running, read }
    })

    for (const fd of [1, 2] as const) {
      const ways: ReadonlyArray<
        readonly [string, (running: Backend.Running) => (round: number) => Backend.Running["pull"]]
      > = [
        ["steadily", (running) => () => running.pull],
        [
          "with pauses",
          (running) => (round) => (round % 8 === 0 ? Effect.andThen(Effect.sleep(5), running.pull) : running.pull)
        ],
        [
          "with pulls that are interrupted at random",
          (running) => () =>
            Effect.gen(function* () {
              const pulling = yield* Effect.forkChild(Effect.exit(running.pull), { startImmediately: true })
              for (let turns = Math.floor(Math.random() * 4); turns > 0; turns--) yield* Effect.yieldNow
              if (Math.random() < 0.1) yield* Effect.promise(() => new Promise(setImmediate))
              if (pulling.pollUnsafe() === undefined) yield* Fiber.interrupt(pulling)
              const exit = yield* Fiber.await(pulling)
              return exit._tag === "Success" ? yield* exit.value : yield* running.pull
            })
        ]
      ]
      for (const [how, way] of ways) {
        it.live(
          `is read itself, to the last byte of fd ${fd}, ${how}`,
          () =>
            Effect.gen(function* () {
              const backend = yield* LocalExec.backend()
              const before = pipes()
              const running = yield* spawn(backend, seq(fd))
              const { hash, open } = yield* readHash(running, fd, way(running))
              assert.strictEqual(hash, yield* reference)
              assert.isAbove(open, before)
              assert.deepStrictEqual(yield* running.exited, { _tag: "Exited", code: 0 })
              assert.isAtMost(pipes(), before)
            }),
          60_000
        )
      }

      it.live(
        `is read through the agent, to the last byte of fd ${fd}, where its pipe cannot be opened`,
        () =>
          Effect.gen(function* () {
            const { pipe } = yield* AgentPipe.start(AgentBackend.program()!, undefined)
            let asked = 0
            const backend = yield* Agent.connect(
              { ...pipe, adopt: () => void asked++ },
              { env: { PATH: process.env["PATH"]! } }
            )
            const before = pipes()
            for (let i = 0; i < 2; i++) {
              const { hash, open } = yield* Effect.flatMap(backend.spawn(request(seq(fd))), (it) => readHash(it, fd))
              assert.strictEqual(hash, yield* reference)
              assert.isAtMost(open, before)
            }
            assert.strictEqual(asked, 1)
          }),
        60_000
      )
    }

    it.live("whose both streams flow is read through the agent, in the order in which it writes", () =>
      Effect.gen(function* () {
        const backend = yield* LocalExec.backend()
        const before = pipes()
        const running = yield* spawn(backend, Command.shell("echo first >&2; sleep 0.05; seq 50000"))
        const { outputs, stderr, stdout } = yield* readAll(running)
        assert.deepStrictEqual([stderr, stdout.length, outputs[0]?.fd], ["first\n", 288_894, 2])
        assert.isAtMost(pipes(), before)
      })
    )

    it.live("that nobody reads any more waits, and little is kept of what it wrote", () =>
      Effect.gen(function* () {
        const { agent, backend } = yield* started
        const { running } = yield* handedOver(backend, Command.make("yes"))
        const written = () => Number(/wchar: (\d+)/.exec(Procfs.readText(`/proc/${running.pid}/io`)!)![1])
        const before = { agent: rss(agent), own: process.memoryUsage().external }
        yield* Effect.sleep(200)
        const stopped = written()
        yield* Effect.sleep(200)
        assert.strictEqual(written(), stopped)
        assert.isBelow(process.memoryUsage().external - before.own, 4 * 1024 * 1024)
        assert.isBelow(rss(agent) - before.agent, 1024)
        for (let read = 0; read < 16 * 1024 * 1024;) for (const { bytes } of yield* running.pull) read += bytes.length
        assert.isAbove(written(), stopped)
      })
    )

    it.live("that has ended and left no process gives all that it wrote to whoever reads it later", () =>
      Effect.gen(function* () {
        const backend = yield* LocalExec.backend()
        const { read, running } = yield* handedOver(backend, Command.shell("seq 40000; sleep 0.1; seq 200000"))
        yield* running.exited
        yield* running.treeEmpty
        yield* Effect.sleep(20)
        const { stdout } = yield* readAll(running)
        assert.strictEqual(read + stdout.length, 228_894 + 1_288_895)
      })
    )

    it.live("that is killed ends, after what it wrote", () =>
      Effect.gen(function* () {
        const backend = yield* LocalExec.backend()
        const { read, running } = yield* handedOver(backend, Command.make("yes"))
        yield* Effect.sleep(20)
        yield* running.signal("SIGKILL", "tree")
        assert.deepStrictEqual(yield* running.exited, { _tag: "Signaled", signal: "SIGKILL" })
        const { stdout } = yield* readAll(running)
        assert.isAbove(read + stdout.length, 1024 * 1024)
      })
    )

    it.live("whose agent is killed gives what it wrote, and then ConnectionLost", () =>
      Effect.gen(function* () {
        const { agent, backend } = yield* started
        const before = pipes()
        // It writes all of it into its pipe, and then lives.
        const { read, running } = yield* handedOver(
          backend,
          Command.shell("seq 20000; seq 20001 40000; exec sleep 600")
        )
        yield* Effect.sleep(50)
        process.kill(agent, "SIGKILL")
        const { ended, stdout } = yield* readAll(running)
        assert.strictEqual(read + stdout.length, 228_894)
        assert.include(stdout, "\n40000\n")
        assert.include(String(ended), "lost")
        assert.isAtMost(pipes(), before)
      })
    )

    it.live("that was left behind is read to its own last word, however much those it left behind write", () =>
      Effect.gen(function* () {
        const backend = yield* LocalExec.backend()
        for (const others of ["sleep 600", "yes"]) {
          const command = Command.shell(`seq 60000; (${others}) & echo last`)
          const { stdout } = yield* Effect.scoped(
            Effect.gen(function* () {
              const running = yield* backend.spawn(request(command, { lingering: "leave" }))
              yield* running.exited
              return yield* readAll(running)
            })
          )
          assert.isAbove(stdout.length, 348_894)
          assert.include(stdout, "\nlast\n")
        }
      })
    )

    it.live("whose output outlives its tree ends when it is closed, after what was in the pipe", () =>
      Effect.gen(function* () {
        const backend = yield* LocalExec.backend()
        const { read, running } = yield* handedOver(backend, Command.shell("seq 40000; sleep 0.1; exec sleep 600"))
        yield* Effect.sleep(50)
        // Somebody who does not belong to it: this process, with an end of its own.
        const held = Fs.openSync(`/proc/${running.pid}/fd/1`, Fs.constants.O_WRONLY)
        yield* running.signal("SIGKILL", "tree")
        yield* running.treeEmpty
        const reading = yield* Effect.forkChild(readAll(running), { startImmediately: true })
        yield* Effect.sleep(50)
        assert.isUndefined(reading.pollUnsafe())
        Fs.writeSync(held, "late\n")
        yield* running.closeOutput
        const { stdout } = yield* Fiber.join(reading)
        assert.strictEqual(read + stdout.length, 228_894 + "late\n".length)
        Fs.closeSync(held)
      })
    )

    it.live("leaves no file descriptor, a hundred times, however it ended", () =>
      Effect.gen(function* () {
        const { agent, backend } = yield* started
        const there = () => Fs.readdirSync(`/proc/${agent}/fd`).length
        const one = (round: number) =>
          Effect.scoped(
            Effect.gen(function* () {
              const { running } = yield* handedOver(
                backend,
                round % 2 === 0 ? Command.make("seq", ["200000"]) : Command.make("yes")
              )
              if (round % 4 === 0) yield* readAll(running)
              if (round % 4 === 1) yield* running.closeOutput
            })
          )
        yield* one(0)
        yield* one(1)
        const before = { here: fds(), there: there() }
        for (let round = 0; round < 100; round++) yield* one(round)
        yield* eventually(() => fds() <= before.here && there() <= before.there)
      })
    )
  })

  describe("a start", () => {
    it.live("of a script whose interpreter is missing says so", () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        const file = executable(Path.join(directory, "script"), "#!/no/such/interpreter\n")
        const backend = yield* LocalExec.backend()
        const { reason } = yield* Effect.flip(Effect.scoped(spawn(backend, Command.make(file))))
        assert.strictEqual(reason._tag, "StartFailed")
        assert.include(reason.message, "/no/such/interpreter")
        const named = Command.make("script", [], { env: { PATH: `/nowhere:${directory}` } })
        const other = yield* Effect.flip(Effect.scoped(spawn(backend, named)))
        assert.strictEqual(other.reason._tag, "StartFailed")
        const missing = yield* Effect.flip(Effect.scoped(spawn(backend, { ...named, argv: ["scripts"] })))
        assert.strictEqual(missing.reason._tag, "CommandNotFound")
      })
    )

    it.live("with a relative directory is relative to that of the layer", () =>
      Effect.gen(function* () {
        const directory = yield* temporary
        Fs.mkdirSync(Path.join(directory, "inner"))
        const backend = yield* LocalExec.backend({ cwd: directory })
        for (const [cwd, expected] of [
          [undefined, directory],
          ["inner", Path.join(directory, "inner")],
          ["/", "/"]
        ] as const) {
          const command = Command.make("pwd", [], cwd === undefined ? {} : { cwd })
          const { stdout } = yield* Effect.scoped(Effect.flatMap(spawn(backend, command), readAll))
          assert.strictEqual(stdout, `${Fs.realpathSync(expected)}\n`)
        }
      })
    )
  })

  describe("where the agent cannot be started", () => {
    for (const [what, file] of [
      ["it is not there", "/no/such/agent"],
      ["it may not be executed", "/etc/passwd"],
      ["it ends at once", "/bin/true"],
      ["it is something else", "/bin/ls"]
    ] as const) {
      it.live(`because ${what}, commands start without it, and the capabilities say so`, () =>
        Effect.gen(function* () {
          const base = { env: { PATH: process.env["PATH"]! }, cwd: undefined }
          const backend = yield* Effect.flatMap(portable(), (portable) => AgentBackend.make(file, base, portable))
          assert.strictEqual((yield* backend.capabilities).tree, "group+descent")
          const running = yield* spawn(backend, Command.make("echo", ["hi"]))
          assert.strictEqual((yield* readAll(running)).stdout, "hi\n")
        })
      )
    }
  })

  it.live("neither file descriptors nor children are left of 20 agents", () =>
    Effect.gen(function* () {
      const one = Effect.scoped(
        Effect.flatMap(started, ({ backend }) => Effect.scoped(spawn(backend, Command.make("true"))))
      )
      const count = () => Fs.readdirSync("/proc/self/fd").length
      yield* one
      const before = { fds: count(), agents: agents().length }
      for (let i = 0; i < 20; i++) yield* one
      yield* eventually(() => count() <= before.fds)
      assert.strictEqual(agents().length, before.agents)
    })
  )
})
