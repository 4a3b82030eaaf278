/** What becomes of processes and of those who wait for them when a client, a server or the link between them dies. */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { assert, describe, it } from "@effect/vitest"
import { NodeWS } from "@effect/platform-node"
import { CapsuleExec } from "@effect-exec/capsule"
import { LocalExec } from "@effect-exec/local"
import { ShFixtures } from "@effect-exec/testing"
import * as FaultProxy from "@effect-exec/testing/FaultProxy"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import * as CapsuleServer from "../src/CapsuleServer.ts"

const fixtures = ShFixtures.make()

/** A program of the fixtures, until it is killed or the scope closes, and what it says once it is ready. */
const program = (name: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() =>
        spawn(process.execPath, [Path.join(import.meta.dirname, "fixtures", name), ...args], {
          stdio: ["ignore", "pipe", "inherit"]
        })
      ),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )
    const ready = yield* Effect.callback<ReadonlyArray<number>>((resume) => {
      let said = ""
      child.stdout.on("data", (chunk) => {
        said += String(chunk)
        const line = /READY (.*)\n/.exec(said)?.[1]
        if (line !== undefined) resume(Effect.succeed(line.split(" ").map(Number)))
      })
    })
    return { child, ready }
  })

const client = (url: string) => Layer.build(Layer.provide(CapsuleExec.layer({ url }), NodeWS.layerWebSocketConstructor))

const serving = (limits = {}) =>
  Effect.gen(function* () {
    const local = yield* Layer.build(LocalExec.layer)
    const server = yield* Effect.provide(CapsuleServer.make({ limits }), local)
    const alive = (pid: number) =>
      Effect.map(Effect.provide(Exec.run(fixtures.alive([pid])), local), ({ stdout }) => stdout !== "")
    const isGone = (pid: number) =>
      Effect.gen(function* () {
        while (yield* alive(pid)) yield* Effect.sleep(10)
      })
    return { ...server, alive, isGone }
  })

const reasonOf = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.flatMap(Effect.flip(effect), (error) =>
    ExecError.isExecError(error) ? Effect.succeed(error.reason) : Effect.die(error)
  )

// Some of them wait for real time-outs: all at once.
describe.concurrent("deaths", () => {
  it.live(
    "a client that is killed: what it attached is ended after the grace, what it detached is found by its tag",
    () =>
      Effect.gen(function* () {
        const { alive, isGone, sessions, url } = yield* serving({ grace: 500 })
        const { child, ready } = yield* program("client.ts", url)
        const [attached, detached] = ready as [number, number]
        child.kill("SIGKILL")
        yield* isGone(attached)
        while ((yield* sessions) > 0) yield* Effect.sleep(10)
        assert.isTrue(yield* alive(detached))

        const context = yield* client(url)
        const again = yield* Effect.provide(Exec.get("left-behind"), context)
        assert.strictEqual(again.pid, detached)
        const lines = yield* Effect.forkScoped(
          Exec.lines(Exec.connect("left-behind")).pipe(Stream.take(2), Stream.runCollect, Effect.provide(context))
        )
        yield* again.write("live\n")
        assert.deepStrictEqual(yield* Fiber.join(lines), [`first ${detached}`, "then live"])
        yield* again.kill({ grace: "1 second" })
        yield* isGone(detached)
      })
  )

  it.live("a layer that was closed: whoever still asks something of it hears Closed, and waits for nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* serving()
      const [exec, detached] = yield* Effect.gen(function* () {
        const exec = Context.get(yield* client(url), Exec.Exec)
        return [exec, yield* exec.detach(fixtures.hang)] as const
      }).pipe(Effect.scoped)
      for (const asked of [
        exec.run(fixtures.hang),
        exec.detach(fixtures.hang),
        exec.list(),
        exec.capabilities,
        detached.isRunning,
        detached.read,
        detached.wait(),
        Stream.runDrain(detached.events())
      ]) {
        assert.strictEqual((yield* reasonOf(Effect.asVoid(asked)))._tag, "Closed")
      }
    })
  )

  it.live(
    "a server that is killed: ConnectionLost, after all that did arrive; then the next command connects anew",
    () =>
      Effect.gen(function* () {
        const { child, ready } = yield* program("server.ts")
        const port = ready[0]!
        const context = yield* client(`ws://127.0.0.1:${port}`)
        const events = yield* Effect.provide(Exec.spawn(fixtures.hang), context)
        const seen: Array<string> = []
        const reading = yield* Effect.forkScoped(
          Stream.runForEach(Exec.lines(events.events), (line) => Effect.sync(() => seen.push(line)))
        )
        while (seen.length === 0) yield* Effect.sleep(5)
        const running = yield* Effect.forkScoped(
          Effect.provide(Exec.run(fixtures.hang, { timeout: "5 minutes" }), context)
        )
        yield* Effect.sleep(100)
        child.kill("SIGKILL")
        // A new one answers at the same place, and does not know the session: nobody has to wait for the budget.
        const since = performance.now()
        yield* program("server.ts", String(port))
        const lost = yield* reasonOf(Fiber.join(reading))
        assert.strictEqual(lost._tag, "ConnectionLost")
        assert.deepStrictEqual(seen, ["READY"])
        assert.strictEqual((yield* reasonOf(Fiber.join(running)))._tag, "ConnectionLost")
        assert.strictEqual((yield* reasonOf(events.wait))._tag, "ConnectionLost")
        assert.isBelow(performance.now() - since, 10_000)
        const result = yield* Effect.provide(Exec.run(fixtures.exit(5)), context)
        assert.strictEqual(result.exitCode, 5)
      })
  )

  it.live(
    "a server that is gone for good: ConnectionLost once the budget for coming back has passed",
    () =>
      Effect.gen(function* () {
        const { child, ready } = yield* program("server.ts")
        const context = yield* client(`ws://127.0.0.1:${ready[0]}`)
        const process = yield* Effect.provide(Exec.spawn(fixtures.hang, { grace: 200 }), context)
        child.kill("SIGKILL")
        const since = performance.now()
        const reason = yield* reasonOf(Stream.runDrain(process.events))
        assert.strictEqual(reason._tag, "ConnectionLost")
        assert.isTrue("started" in reason && reason.started)
        const seconds = (performance.now() - since) / 1_000
        assert.isTrue(seconds > 10 && seconds < 25, `after ${seconds} s`)
        const next = yield* reasonOf(Effect.provide(Exec.run(fixtures.exit(0)), context))
        assert.strictEqual(next._tag, "BackendUnavailable")
      }),
    { timeout: 60_000 }
  )

  it.live(
    "a link that is down for longer than the budget: what was attached is lost, a handle of what was detached works again",
    () =>
      Effect.gen(function* () {
        const { port } = yield* serving()
        const proxy = yield* FaultProxy.make({ target: { port } })
        const context = yield* client(`ws://${proxy.host}:${proxy.port}`)
        const detached = yield* Effect.provide(Exec.detach(fixtures.cat, { stdin: "open" }), context)
        yield* detached.write("before\n")
        const attached = yield* Effect.provide(Exec.spawn(fixtures.hang, { grace: 200 }), context)
        yield* proxy.refuse
        yield* proxy.cut("reset")
        assert.strictEqual((yield* reasonOf(attached.wait))._tag, "ConnectionLost")
        assert.strictEqual((yield* reasonOf(detached.peek))._tag, "BackendUnavailable")
        yield* proxy.heal
        yield* detached.write("after\n")
        yield* detached.closeStdin
        assert.strictEqual((yield* detached.wait()).stdout, "before\nafter\n")
      }),
    { timeout: 60_000 }
  )

  it.live("what a detached process was given to its end reaches it, though who gave it goes at once", () =>
    Effect.gen(function* () {
      const { url } = yield* serving()
      const command = Command.shell("sleep 0.3; wc -c")
      const { id } = yield* Effect.gen(function* () {
        const process = yield* Exec.detach(command, { stdin: "open" })
        // More than a pipe holds, and less than the credit that one has at first.
        yield* process.write(new Uint8Array(200_000))
        yield* process.closeStdin
        return process
      }).pipe(Effect.provide(CapsuleExec.layer({ url })))
      const process = yield* Effect.provide(Exec.get(id), yield* client(url))
      assert.strictEqual((yield* process.wait({ timeout: "10 seconds" })).stdout.trim(), "200000")
    })
  )

  it.live(
    "a link that hangs is noticed, and gone on over another one with exact bytes",
    () =>
      Effect.gen(function* () {
        const { port } = yield* serving()
        const proxy = yield* FaultProxy.make({ target: { port } })
        const context = yield* client(`ws://${proxy.host}:${proxy.port}`)
        const process = yield* Effect.provide(Exec.spawn(fixtures.cat, { stdin: "open" }), context)
        yield* process.write("before\n")
        const lines: Array<string> = []
        const reading = yield* Effect.forkScoped(
          Stream.runForEach(Exec.lines(process.events), (line) => Effect.sync(() => lines.push(line)))
        )
        while (lines.length === 0) yield* Effect.sleep(5)
        assert.strictEqual(yield* proxy.cut("hang"), 1)
        yield* process.write("while nothing passes\n")
        yield* process.closeStdin
        yield* Fiber.join(reading)
        assert.deepStrictEqual(lines, ["before", "while nothing passes"])
        assert.deepInclude((yield* process.wait) as object, { _tag: "Exited", code: 0 })
      }),
    { timeout: 40_000 }
  )

  it.live(
    "interrupting where the link hangs waits no longer than grace and kill deadline, and the server ends it",
    () =>
      Effect.gen(function* () {
        const { isGone, port } = yield* serving({ grace: 1_000, silence: 1_500 })
        const proxy = yield* FaultProxy.make({ target: { port } })
        const context = yield* client(`ws://${proxy.host}:${proxy.port}`)
        const process = yield* Effect.provide(Exec.spawn(fixtures.ignoreTerm), context).pipe(
          Effect.flatMap((process) =>
            Effect.gen(function* () {
              yield* proxy.blackHole("both")
              return { pid: process.pid, since: performance.now() }
            })
          ),
          Effect.scoped,
          Exec.withDefaults({ grace: 300, killDeadline: 700 })
        )
        assert.isBelow(performance.now() - process.since, 5_000)
        yield* isGone(process.pid)
      })
  )

  it.live("closing the server tells its clients, and returns when what they had attached is gone", () =>
    Effect.gen(function* () {
      const local = yield* Layer.build(LocalExec.layer)
      const inside = Effect.gen(function* () {
        const { url } = yield* Effect.provide(CapsuleServer.make(), local)
        const context = yield* client(url)
        const process = yield* Effect.provide(Exec.spawn(fixtures.ignoreTerm, { grace: 300 }), context)
        const reading = yield* Effect.forkDetach(reasonOf(Stream.runDrain(process.events)))
        return { pid: process.pid, reading }
      })
      const { pid, reading } = yield* Effect.scoped(inside)
      const left = yield* Effect.provide(Exec.run(fixtures.alive([pid])), local)
      assert.strictEqual(left.stdout, "")
      const reason = yield* Fiber.join(reading)
      assert.isTrue(["ConnectionLost", "Closed"].includes(reason._tag), reason._tag)
    })
  )
})
