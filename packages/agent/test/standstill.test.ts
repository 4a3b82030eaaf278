/** An agent whose place stands still: what waits for it is told, what runs waits. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecError, Files } from "effect-exec"
import * as Agent from "../src/Agent.ts"
import type { Message } from "../src/internal/message.ts"
import { FakeAgent, connectedIn, request } from "./fakeAgent.ts"

const started: Message = { _tag: "Started", pid: 77 }
const closed: Message = { _tag: "Closed", discardedStdout: 0n, discardedStderr: 0n }

const fork = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.forkScoped(effect, { startImmediately: true })

/** An agent in a place that can be stopped; how often that was asked about. */
const place = Effect.gen(function* () {
  const state = { isStill: false, asked: 0 }
  const standstill = Effect.sync(() => {
    state.asked++
    return state.isStill ? { sandbox: "box", state: "paused" } : undefined
  })
  return { state, ...(yield* connectedIn(standstill)) }
})

const notRunning = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    const { reason } = error as unknown as { readonly reason: ExecError.SandboxNotRunning }
    assert.deepInclude(reason, { _tag: "SandboxNotRunning", sandbox: "box", state: "paused" })
    return reason
  })

/** As long as the client takes for silence. */
const silence = Effect.sleep(300)

describe.concurrent("a place that stands still", () => {
  it.live("a start without an answer fails, may have happened, and is ended if it does", () =>
    Effect.gen(function* () {
      const { agent, backend, state } = yield* place
      const spawning = yield* fork(Effect.scoped(backend.spawn(request())))
      const { command } = yield* agent.told("start")
      state.isStill = true
      const reason = yield* notRunning(Fiber.join(spawning))
      assert.isTrue(reason.mayHaveStarted)
      assert.isFalse(reason.isRetryable)
      const { payload } = yield* agent.told("signal")
      assert.deepStrictEqual([payload[4], payload[5]], [9, 2])
      assert.strictEqual(agent.count("closeOutput"), 1)
      // When it goes on the agent tells what became of it, and another command starts.
      state.isStill = false
      agent.says(command, started, { _tag: "Exit", how: 2, flags: 0, value: 9, nanoseconds: 1n }, closed)
      const next = yield* fork(backend.spawn(request()))
      agent.says((yield* agent.told("start", 1)).command, started)
      assert.strictEqual((yield* Fiber.join(next)).pid, 77)
      agent.leaves()
    })
  )

  it.live("an agent that was silent is asked first: nothing is begun in a place that stands still", () =>
    Effect.gen(function* () {
      const { agent, backend, state } = yield* place
      yield* silence
      state.isStill = true
      const files: Files.Files = (yield* backend.files!)!
      const all = [
        Effect.scoped(backend.spawn(request())),
        files.stat("/x", true),
        Stream.runDrain(files.read("/x", { offset: 0n })),
        Effect.scoped(files.write("/x", { to: "truncated", create: "if missing", mode: 0o644 }))
      ]
      for (const reason of yield* Effect.forEach(all, notRunning, { concurrency: "unbounded" })) {
        assert.isUndefined(reason.mayHaveStarted)
        assert.isTrue(reason.isRetryable)
      }
      assert.deepStrictEqual(
        agent.requests.map(({ kind }) => kind),
        ["hello", "ping"]
      )
      // The answer comes when it goes on: then all is as before, and the question was not put twice.
      state.isStill = false
      const spawning = yield* fork(backend.spawn(request()))
      agent.says(0, { _tag: "Pong", nonce: 0 })
      agent.says((yield* agent.told("start")).command, started)
      assert.strictEqual((yield* Fiber.join(spawning)).pid, 77)
      assert.strictEqual(agent.count("ping"), 1)
      agent.leaves()
    })
  )

  it.live("what runs waits, a signal to it too; KILL fails, and is done later", () =>
    Effect.gen(function* () {
      const { agent, backend, state } = yield* place
      const scope = yield* Scope.make()
      const spawning = yield* fork(Scope.provide(backend.spawn(request()), scope))
      const { command } = yield* agent.told("start")
      agent.says(command, started)
      const process = yield* Fiber.join(spawning)
      state.isStill = true
      const pulling = yield* fork(process.pull)
      yield* process.signal("SIGTERM", "tree")
      yield* notRunning(process.signal("SIGKILL", "tree"))
      assert.strictEqual(agent.count("signal"), 2)
      state.isStill = false
      agent.says(command, { fd: 1, text: "on" })
      assert.strictEqual(Buffer.from((yield* Fiber.join(pulling))[0].bytes).toString(), "on")
      const killing = yield* fork(process.signal("SIGKILL", "tree"))
      yield* agent.told("signal", 2)
      agent.says(command, { _tag: "Empty" })
      yield* Fiber.join(killing)
    })
  )

  it.live("an agent that is only slow is waited for", () =>
    Effect.gen(function* () {
      const { agent, backend, state } = yield* place
      const spawning = yield* fork(backend.spawn(request()))
      const { command } = yield* agent.told("start")
      yield* Effect.repeat(Effect.sleep(10), { until: () => state.asked > 0 })
      agent.says(command, started)
      assert.strictEqual((yield* Fiber.join(spawning)).pid, 77)
      agent.leaves()
    })
  )

  it.live("an agent that does not greet in such a place", () =>
    Effect.gen(function* () {
      const agent = new FakeAgent()
      const standstill = Effect.succeed({ sandbox: "box", state: "paused" })
      yield* notRunning(Effect.scoped(Agent.connect(agent.pipe, { standstill })))
      assert.isTrue(agent.isEnded)
    })
  )
})
