/** One program, tested four ways: scripted, faulty, recorded, real. Only the layer differs. */
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { ExecError, ExitStatus } from "effect-exec"
import { DockerExec } from "@effect-exec/docker"
import { LocalExec } from "@effect-exec/local"
import { FaultyExec, Generators, Recorder, TestExec } from "@effect-exec/testing"
import { fullDisks } from "./fullDisks.ts"

const table = `Filesystem 1024-blocks    Used Available Capacity Mounted on
/dev/sda1      1000000  950000     50000      95% /
/dev/sdb1      1000000   10000    990000       1% /data
tmpfs          1000000  900000    100000      90% /mnt/with spaces
`

describe("scripted", () => {
  it.effect("gives those that are full enough", () =>
    Effect.gen(function* () {
      yield* TestExec.expect(["df", "-Pk"], table)
      assert.deepStrictEqual(yield* fullDisks(90), ["/", "/mnt/with spaces"])
    }).pipe(Effect.provide(TestExec.layer()))
  )

  it.effect("fails with what df says, and when it hangs", () =>
    Effect.gen(function* () {
      yield* TestExec.expect("df", { stderr: "df: Input/output error\n", exitCode: 1 })
      assert.include((yield* Effect.flip(fullDisks(90))).message, "Input/output error")
      yield* TestExec.expect("df", () => Effect.never)
      const hanging = yield* Effect.forkChild(Effect.flip(fullDisks(90)))
      yield* TestClock.adjust("10 seconds")
      assert.include((yield* Fiber.join(hanging)).message, "timeout")
    }).pipe(Effect.provide(TestExec.layer()))
  )
})

describe("faulty", () => {
  const df = TestExec.layer({ programs: { df: (io) => io.stdout(table) } })
  const faulty = (policy: FaultyExec.Policy) => FaultyExec.layer(policy).pipe(Layer.provide(df))
  const busy = new ExecError.LimitReached({ limit: "processes" })

  it.effect("tries again what did not start", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* fullDisks(95), ["/"])
    }).pipe(Effect.provide(faulty({ chunks: { split: 5 }, faults: [FaultyExec.failStart(busy, { nth: 1 })] })))
  )

  it.effect("takes no part of a table for all of it", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* Effect.flip(fullDisks(0)))._tag, "CommandFailed")
    }).pipe(Effect.provide(faulty({ faults: [FaultyExec.exit(ExitStatus.signaled("SIGKILL"), { after: 150 })] })))
  )

  it.effect.prop(
    "gives the right answer or none, whatever happens",
    { faults: Generators.faults({ after: table.length, starts: 3 }) },
    ({ faults }) =>
      Effect.gen(function* () {
        const running = yield* Effect.forkChild(Effect.option(fullDisks(90)))
        // For those that hang.
        yield* TestClock.adjust("1 minute")
        const disks = yield* Fiber.join(running)
        return disks._tag === "None" || disks.value.join() === "/,/mnt/with spaces"
      }).pipe(Effect.provide(faulty({ faults })))
  )
})

describe("recorded", () => {
  // In a container once: EXEC_RECORDER=record npx -y pnpm test --project examples fullDisks
  const layer = Recorder.layerConfig({
    cassette: join(import.meta.dirname, "fullDisks.cassette.jsonl"),
    real: DockerExec.layerContainer({ image: "busybox" })
  })

  it.live("reads what busybox really writes", () =>
    Effect.gen(function* () {
      const disks = yield* fullDisks(0)
      assert.includeMembers(disks, ["/", "/dev", "/sys/fs/cgroup"])
    }).pipe(Effect.provide(layer), Effect.provide(NodeFileSystem.layer))
  )
})

describe("real", () => {
  it.live("reads what this machine really writes", () =>
    Effect.gen(function* () {
      const disks = yield* fullDisks(0)
      assert.isNotEmpty(disks)
      assert.isTrue(disks.every((mount) => mount.startsWith("/")))
    }).pipe(Effect.provide(LocalExec.layer))
  )
})
