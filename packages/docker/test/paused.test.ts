/** A container that is paused: nothing begins there, at once and for a reason; what runs goes on with it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Latch, Scope, Stream } from "effect"
import { Command, Exec, ExecFileSystem, type ExecError } from "effect-exec"
import * as Container from "../src/Container.ts"
import * as DockerExec from "../src/DockerExec.ts"
import { available, docker, foreign, images } from "./engine.ts"

const image = images.busybox

const pause = (id: string) => Effect.promise(() => docker("pause", id))
const unpause = (id: string) => Effect.promise(() => docker("unpause", id))

const reasonOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => (error as unknown as ExecError.ExecError).reason)

/** The reason why nothing begins, which has to come long before any timeout. */
const notRunning = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<ExecError.SandboxNotRunning, A, R> =>
  Effect.gen(function* () {
    const begun = performance.now()
    const reason = yield* reasonOf(effect)
    assert.deepInclude(reason, { _tag: "SandboxNotRunning", state: "paused" })
    assert.isBelow(performance.now() - begun, 10_000)
    return reason as ExecError.SandboxNotRunning
  })

const containers = {
  "our own": Container.make({ image }),
  "somebody's": Effect.flatMap(foreign(image), (container) => Container.get({ container }))
}

describe.runIf(available).concurrent("a paused container", () => {
  describe.each(Object.entries(containers))("%s", (_name, make) => {
    it.live("commands and files fail at once, and nothing of them is done later", () =>
      Effect.gen(function* () {
        const container = yield* make
        const exec = yield* DockerExec.make(container)
        const files = ExecFileSystem.make(exec)
        assert.strictEqual((yield* exec.run(Command.make("pwd"))).exitCode, 0)
        yield* pause(container.id)
        // Silent for as long as it takes to be asked first.
        yield* Effect.sleep(300)
        const touch = Command.shell("touch /tmp/touched")
        const reasons = yield* Effect.forEach(
          [
            exec.run(touch),
            Effect.scoped(exec.spawn(touch)),
            exec.detach(touch),
            Stream.runDrain(exec.stream(touch)),
            exec.run({ ...touch, user: "0" }),
            exec.run({ ...touch, user: "7" })
          ],
          notRunning,
          { concurrency: "unbounded" }
        )
        assert.isTrue(reasons.every(({ isRetryable }) => isRetryable))
        const ofFiles = [files.writeFileString("/tmp/written", "x"), files.stat("/tmp"), files.readFile("/etc/passwd")]
        for (const of of ofFiles) assert.match(String(yield* Effect.flip<unknown, unknown, never>(of)), /is paused/)
        yield* unpause(container.id)
        assert.strictEqual((yield* exec.run(Command.make("ls", ["/tmp"]))).stdout, "")
      })
    )

    it.live("paused while commands start, again and again: none hangs and none is left", () =>
      Effect.gen(function* () {
        const container = yield* make
        const exec = yield* DockerExec.make(container)
        const started = yield* Latch.make(false)
        const starting = yield* Effect.forkScoped(
          Effect.forever(
            Effect.andThen(Effect.scoped(exec.spawn(Command.make("sleep", ["300"]), { grace: 1 })), started.open)
          )
        )
        yield* started.await
        yield* pause(container.id)
        yield* notRunning(Fiber.join(starting))
        yield* unpause(container.id)
        const sleeping = exec.run(Command.shell("ps -o args | grep -c '^sleep 300'"))
        yield* Effect.repeat(sleeping, { until: ({ stdout }) => stdout === "0\n" })
      })
    )

    it.live("what runs goes on where it was, with exact bytes; what was sent to it arrives then", () =>
      Effect.gen(function* () {
        const container = yield* make
        const exec = yield* DockerExec.make(container)
        const counting = yield* exec.detach(Command.shell("i=0; while read x; do i=$((i+1)); echo $i; done; exit 7"), {
          stdin: "open"
        })
        const victim = yield* exec.detach(Command.make("sleep", ["300"]))
        const stubborn = yield* exec.detach(Command.shell("trap '' TERM; echo ready; while :; do sleep 300; done"))
        yield* Stream.runHead(Exec.lines(stubborn.events()))
        const ended = yield* Effect.forkScoped(counting.wait())
        yield* pause(container.id)
        yield* notRunning(exec.run(Command.make("true")))
        yield* counting.write(Buffer.from("line\n".repeat(1000)))
        yield* counting.closeStdin
        yield* victim.kill({ signal: "SIGTERM" })
        yield* notRunning(stubborn.kill({ signal: "SIGKILL" }))
        yield* unpause(container.id)
        const { exitCode, stdout } = yield* Fiber.join(ended)
        assert.strictEqual(exitCode, 7)
        assert.strictEqual(stdout, Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join(""))
        const how = (process: typeof victim) => Effect.map(process.wait(), ({ status }) => status)
        assert.deepInclude(yield* how(victim), { _tag: "Signaled", signal: "SIGTERM" })
        assert.deepInclude(yield* how(stubborn), { _tag: "Signaled", signal: "SIGKILL" })
      })
    )
  })

  it.live("archives of files are the engine's, which reads and writes them meanwhile", () =>
    Effect.gen(function* () {
      const container = yield* containers["our own"]
      yield* pause(container.id)
      yield* container.writeFile("/sandbox/work/a", "text")
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(container.readFile("/sandbox/work/a"))), "text")
    })
  )

  it.live("a layer that closes meanwhile does not wait; its processes end when the container goes on", () =>
    Effect.gen(function* () {
      const id = yield* foreign(image)
      const scope = yield* Scope.make()
      const exec = yield* Scope.provide(Effect.flatMap(DockerExec.backend({ container: id }), Exec.make), scope)
      const spawned = yield* Scope.provide(
        exec.spawn(Command.make("sleep", ["300"]), { grace: 1 }),
        yield* Scope.fork(scope)
      )
      assert.isAbove(spawned.pid, 0)
      yield* pause(id)
      const begun = performance.now()
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(performance.now() - begun, 3000)
      yield* unpause(id)
      const left = Effect.promise(() => docker("exec", id, "ps", "-o", "args"))
      yield* Effect.repeat(left, { until: (text) => !/sleep 300|agent/.test(text) })
    })
  )
})
