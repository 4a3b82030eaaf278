/** What a detached process costs that says nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { Command, Exec } from "effect-exec"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as LocalExec from "../src/LocalExec.ts"
import { eventually } from "./support.ts"

/** How many fibers there are. */
class Fibers implements Metric.FiberRuntimeMetricsService {
  alive = 0
  recordFiberStart(): void {
    this.alive++
  }
  recordFiberEnd(): void {
    this.alive--
  }
}

const variants = { agent: LocalExec.layer, portable: LocalExec.layerWith({ agent: "never" }) }

describe.each(Object.entries(variants))("%s", (_, layer) => {
  it.live("no fiber waits for detached processes that are quiet; what they say then, and their end, are seen", () => {
    const fibers = new Fibers()
    return Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const processes = yield* Effect.all(
        Array.from({ length: 20 }, () => exec.detach(Command.make("cat"), { stdin: "open" }))
      )
      let said = ""
      for (const text of ["one", "two"]) {
        said += text
        for (const process of processes) {
          yield* process.write(text)
          yield* eventually(() => Effect.runSync(process.bufferSize) === said.length)
        }
        // Those of the layer and of this test.
        assert.isBelow(fibers.alive, 20)
      }
      for (const process of processes) {
        yield* process.closeStdin
        assert.include(yield* process.wait(), { exitCode: 0, stdout: said })
      }
    }).pipe(Effect.provide(layer), Effect.provideService(Metric.FiberRuntimeMetrics, fibers))
  })
})

// Of Node's own children it cannot be held: those are sockets.
it.live.skipIf(AgentBackend.program() === undefined)(
  "C15 a pipe that a stranger holds is closed after the end of a process that was quiet",
  () =>
    Effect.gen(function* () {
      const process = yield* Exec.detach(Command.make("sleep", ["300"]))
      const hold = `exec 9> /proc/${process.pid}/fd/1 && echo held && read -r _ && echo late >&9 && sleep 0.05 && echo later >&9 && exec sleep 300`
      const stranger = yield* Exec.spawn(Command.shell(hold), { stdin: "open" })
      assert.deepStrictEqual(yield* Stream.runHead(Exec.lines(stranger.events)), Option.some("held"))
      yield* process.kill({ signal: "SIGKILL" })
      yield* eventually(() => !Effect.runSync(process.isRunning))
      yield* stranger.write("\n")
      assert.include(yield* process.wait(), { exitCode: 137, incomplete: true })
    }).pipe(Effect.scoped, Effect.provide(LocalExec.layer))
)
