/** The engine dies in mid-run and comes back: an engine of the test's own, which may be killed. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Command, Exec } from "effect-exec"
import * as DockerClient from "../src/DockerClient.ts"
import * as DockerExec from "../src/DockerExec.ts"
import { available, images } from "./engine.ts"

const isRoot = process.getuid?.() === 0
const hasEngine = ["/usr/sbin/dockerd", "/usr/bin/dockerd"].some((path) => Fs.existsSync(path))

// Each with folders of its own: what a killed engine leaves there keeps this version from starting again.
const start = async (socket: string, root: string): Promise<ChildProcess> => {
  const engine = spawn(
    "dockerd",
    ["--data-root", `${root}/data`, "--exec-root", `${root}/exec`, "-p", `${root}/pid`, "-H", socket].concat([
      "--bridge",
      "none",
      "--iptables=false",
      "--ip6tables=false"
    ]),
    { stdio: "ignore" }
  )
  for (;;) {
    try {
      execFileSync("docker", ["-H", socket, "version"], { stdio: "ignore" })
      break
    } catch {
      if (engine.exitCode !== null) throw new Error("The engine of the test does not start")
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
  execFileSync("sh", ["-c", `docker save ${images.busybox} | docker -H ${socket} load`], { stdio: "ignore" })
  return engine
}

// What a killed engine leaves behind: the guardians of its containers, and what it had mounted.
const cleanUp = (root: string): void => {
  for (const pid of Fs.readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (Fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(root)) process.kill(Number(pid), "SIGKILL")
    } catch {
      // It has ended meanwhile.
    }
  }
  const mounts = Fs.readFileSync("/proc/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" ")[1] ?? "")
    .filter((path) => path.startsWith(root))
  for (const path of mounts.toReversed()) execFileSync("umount", ["-l", path], { stdio: "ignore" })
  Fs.rmSync(root, { recursive: true, force: true })
}

const gone = (child: ChildProcess, signal: NodeJS.Signals) =>
  new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    child.once("exit", () => resolve())
    child.kill(signal)
  })

describe.runIf(available && isRoot && hasEngine)("the engine is lost", () => {
  it.live("killed in mid-run: ConnectionLost for all and no hang; once it is back the layer works again", () =>
    Effect.gen(function* () {
      const root = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-exec-engine-"))
      const host = `unix://${root}/s`
      let engine = yield* Effect.promise(() => start(host, `${root}/1`))
      yield* Effect.addFinalizer(() =>
        Effect.promise(async () => {
          await gone(engine, "SIGTERM")
          cleanUp(root)
        })
      )
      yield* Effect.gen(function* () {
        const exec = yield* Effect.flatMap(DockerExec.backendContainer({ image: images.busybox }), Exec.make)
        const commands = [
          exec.run(Command.make("sleep", ["300"]), { timeout: "2 minutes" }),
          exec.run(Command.make("yes"), { timeout: "2 minutes", maxOutput: 1e12 }),
          exec.run(Command.shell("read x; sleep 300"), { stdin: new Uint8Array(50_000_000), timeout: "2 minutes" })
        ]
        const running = yield* Effect.forEach(commands, (command) => Effect.forkScoped(Effect.flip(command)))
        const detached = yield* exec.detach(Command.make("sleep", ["300"]))
        yield* Effect.sleep(500)
        const killed = performance.now()
        yield* Effect.promise(() => gone(engine, "SIGKILL"))
        const tags = yield* Effect.forEach([...running.map(Fiber.join), Effect.flip(detached.wait())], (ended) =>
          Effect.map(ended, (error) => ("reason" in error ? error.reason._tag : error))
        )
        const seconds = (performance.now() - killed) / 1000
        assert.deepStrictEqual(
          tags,
          tags.map(() => "ConnectionLost" as const)
        )
        assert.isBelow(seconds, 10)
        const reason = (yield* Effect.flip(exec.run(Command.make("true")))).reason
        assert.strictEqual(reason._tag, "BackendUnavailable")
        console.log(`all commands ended ${seconds.toFixed(1)} s after the engine was killed`)
        engine = yield* Effect.promise(() => start(host, `${root}/2`))
        assert.strictEqual((yield* exec.run(Command.make("echo", ["again"]))).stdout, "again\n")
      }).pipe(Effect.scoped, Effect.provideService(DockerClient.DockerClient, DockerClient.make({ host })))
    })
  )
})
