/** What a detached process in a container costs that says nothing. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { Command, Exec } from "effect-exec"
import * as DockerExec from "../src/DockerExec.ts"
import { available, images } from "./engine.ts"

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

describe.runIf(available)("detached in a container", () => {
  it.live("no fiber waits for a process that is quiet; its end is seen", () => {
    const fibers = new Fibers()
    return Effect.gen(function* () {
      const exec = yield* Exec.Exec
      const before = fibers.alive
      const processes = yield* Effect.all(
        Array.from({ length: 20 }, () => exec.detach(Command.make("cat"), { stdin: "open" }))
      )
      // Until the last one has been left alone. The layer has some of its own.
      while (fibers.alive - before >= processes.length) yield* Effect.sleep(5)
      for (const process of processes) {
        yield* process.write("hi")
        yield* process.closeStdin
        assert.include(yield* process.wait(), { exitCode: 0, stdout: "hi" })
      }
    }).pipe(
      Effect.provide(DockerExec.layerContainer({ image: images.busybox })),
      Effect.provideService(Metric.FiberRuntimeMetrics, fibers)
    )
  })
})
