/** The variant with an agent: what only it can do, and what must hold when it, or this process, is killed. */
import { spawn as spawnRaw } from "node:child_process"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Command, Exec } from "effect-exec"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as Procfs from "../src/internal/procfs.ts"
import * as LocalExec from "../src/LocalExec.ts"
import { agents, marked, marker, node, tree } from "./agentSupport.ts"
import { alive, eventually, executable, portable, readAll, readUntil, request, temporary } from "./support.ts"

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
