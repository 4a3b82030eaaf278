/** What becomes of containers and their commands when somebody dies, and which state is told apart. */
import { spawn } from "node:child_process"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Stream } from "effect"
import { Command, Exec, type ExecError } from "effect-exec"
import * as Container from "../src/Container.ts"
import * as DockerClient from "../src/DockerClient.ts"
import * as DockerExec from "../src/DockerExec.ts"
import * as Owner from "../src/internal/owner.ts"
import { available, docker, foreign, images } from "./engine.ts"

const image = images.busybox

const eventually = (what: string, millis: number, fact: () => Promise<boolean>) =>
  Effect.promise(async () => {
    const end = Date.now() + millis
    while (!(await fact())) {
      if (Date.now() > end) assert.fail(`not within ${millis} ms: ${what}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })

const reasonOf = <A>(effect: Effect.Effect<A, ExecError.ExecError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

/** A program of its own, which says the container's id, runs something there that escapes, and is then killed. */
const client = (mode: "own" | "foreign", container: string) => {
  const child = spawn(process.execPath, [Path.join(import.meta.dirname, "fixtures", "client.ts"), mode, container], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const ready = new Promise<string>((resolve) => {
    let all = ""
    child.stdout.on("data", (chunk) => {
      all += String(chunk)
      if (all.includes("READY")) resolve(/ID (\w+)/.exec(all)?.[1] ?? container)
    })
  })
  return { child, ready }
}

describe.runIf(available)("the life of containers", () => {
  it.live("a container of our own is gone with its scope, whatever ran in it", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const container = yield* Scope.provide(Container.make({ image }), scope)
      const exec = yield* Scope.provide(DockerExec.make(container), scope)
      yield* exec.detach(Command.shell("trap '' TERM; echo READY; setsid sleep 300 & sleep 300"), { grace: 200 })
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Effect.promise(() => docker("ps", "-aq", "--filter", `id=${container.id}`)), "")
    })
  )

  it.live("SIGKILL of the client: its own container and all in it are gone within 2 s", () =>
    Effect.gen(function* () {
      const { child, ready } = client("own", image)
      const id = yield* Effect.promise(() => ready)
      assert.notStrictEqual(yield* Effect.promise(() => docker("ps", "-q", "--filter", `id=${id}`)), "")
      child.kill("SIGKILL")
      yield* eventually(
        "the container is gone",
        2000,
        async () => (await docker("ps", "-aq", "--filter", `id=${id}`)) === ""
      )
    })
  )

  it.live("SIGKILL of the client: in somebody's container its processes are gone within 2 s", () =>
    Effect.gen(function* () {
      const id = yield* foreign(image)
      const { child, ready } = client("foreign", id)
      yield* Effect.promise(() => ready)
      const processes = async () =>
        (await docker("exec", id, "ps", "-o", "args")).split("\n").filter((line) => /sleep 300|agent/.test(line))
      assert.isAtLeast((yield* Effect.promise(processes)).length, 3)
      child.kill("SIGKILL")
      yield* eventually("its processes are gone", 2000, async () => (await processes()).length === 0)
    })
  )

  it.live("a container that is missing, not started, stopped or paused is told apart", () =>
    Effect.gen(function* () {
      const missing = yield* reasonOf(Effect.scoped(Container.get({ container: "effect-exec-no-such-container" })))
      assert.strictEqual(missing._tag, "SandboxNotFound")
      const id = yield* foreign(image)
      const state = Effect.map(reasonOf(Effect.scoped(Container.get({ container: id }))), (reason) =>
        reason._tag === "SandboxNotRunning" ? reason.state : reason._tag
      )
      yield* Effect.promise(() => docker("pause", id))
      assert.strictEqual(yield* state, "paused")
      yield* Effect.promise(() => docker("unpause", id))
      yield* Effect.promise(() => docker("stop", "-t", "0", id))
      assert.strictEqual(yield* state, "stopped")
    })
  )

  it.live("a container that is removed in mid-run says so, and so does the next command", () =>
    Effect.gen(function* () {
      const id = yield* foreign(image)
      const exec = yield* Effect.flatMap(DockerExec.backend({ container: id }), Exec.make)
      const running = yield* exec.detach(Command.make("sleep", ["300"]))
      yield* Effect.promise(() => docker("rm", "-f", id))
      const lost = yield* Effect.flip(running.wait())
      assert.strictEqual("reason" in lost ? lost.reason._tag : lost, "ConnectionLost")
      assert.match(lost.message, /removed|exited|dead|removing/)
      assert.strictEqual((yield* reasonOf(exec.run(Command.make("true"))))._tag, "SandboxNotFound")
    })
  )

  it.live("between the two calls that start an agent: paused, stopped, restarted and removed are told apart", () =>
    Effect.gen(function* () {
      const client = yield* DockerClient.DockerClient
      const reason = (container: string, ...then: ReadonlyArray<string>) =>
        reasonOf(Effect.scoped(Container.get({ container }))).pipe(
          Effect.provideService(DockerClient.DockerClient, {
            ...client,
            startExec: (exec) =>
              Effect.andThen(
                Effect.promise(() => docker(...then, container)),
                client.startExec(exec)
              )
          }),
          Effect.map((reason) => (reason._tag === "SandboxNotRunning" ? reason.state : reason._tag))
        )
      const id = yield* foreign(image)
      assert.strictEqual(yield* reason(id, "pause"), "paused")
      yield* Effect.promise(() => docker("unpause", id))
      assert.strictEqual(yield* reason(id, "restart", "-t", "0"), "restarted")
      assert.strictEqual(yield* reason(id, "stop", "-t", "0"), "stopped")
      yield* Effect.promise(() => docker("start", id))
      assert.strictEqual(yield* reason(id, "rm", "-f"), "SandboxNotFound")
    })
  )

  it.live(
    "a container that is stopped or restarted in mid-run loses its commands, and takes new ones once it runs",
    () =>
      Effect.gen(function* () {
        const id = yield* foreign(image)
        const exec = yield* Effect.flatMap(DockerExec.backend({ container: id }), Exec.make)
        const echo = Effect.map(exec.run(Command.make("echo", ["hi"])), ({ stdout }) => stdout)
        for (const how of ["stop", "restart"]) {
          const running = yield* exec.detach(Command.make("sleep", ["300"]))
          yield* Effect.promise(() => docker(how, "-t", "0", id))
          const lost = yield* Effect.flip(running.wait())
          assert.strictEqual("reason" in lost ? lost.reason._tag : lost, "ConnectionLost")
          if (how === "stop") {
            const reason = yield* reasonOf(echo)
            assert.deepInclude(reason, { _tag: "SandboxNotRunning", state: "stopped" })
            yield* Effect.promise(() => docker("start", id))
          }
          assert.strictEqual(yield* echo, "hi\n")
        }
      })
  )

  it.live("an own container that was lost is followed by a new one", () =>
    Effect.gen(function* () {
      const exec = yield* Effect.flatMap(DockerExec.backendContainer({ image }), Exec.make)
      const name = Effect.map(exec.run(Command.make("hostname")), ({ stdout }) => stdout.trim())
      const first = yield* name
      yield* Effect.promise(() => docker("kill", first))
      yield* eventually("it is gone", 5000, async () => (await docker("ps", "-aq", "--filter", `id=${first}`)) === "")
      assert.notStrictEqual(yield* Effect.retry(name, { times: 3 }), first)
    })
  )

  it.live("a read-only root without a volume is Unsupported, and says what to do; with one it works", () =>
    Effect.gen(function* () {
      const closed = yield* foreign(image, "--read-only")
      const reason = yield* reasonOf(Effect.scoped(Container.get({ container: closed })))
      assert.strictEqual(reason._tag, "Unsupported")
      assert.match(reason.message, /mount a volume/)
      const open = yield* foreign(image, "--read-only", "-v", "/data")
      const { backend } = yield* Container.get({ container: open })
      const exec = yield* Exec.make(backend)
      assert.strictEqual((yield* exec.run(Command.make("echo", ["hi"]))).stdout, "hi\n")
    })
  )

  it.live("an image that is missing is SandboxNotFound, with the reason why it was not pulled", () =>
    Effect.gen(function* () {
      const reason = yield* reasonOf(Effect.scoped(Container.make({ image: "localhost:1/effect-exec/none:1" })))
      assert.strictEqual(reason._tag, "SandboxNotFound")
      assert.match(reason.message, /could not be pulled/)
    })
  )

  it.live("memory that runs out is a death by KILL with that cause", () =>
    Effect.gen(function* () {
      const { backend } = yield* Container.make({ image, memory: 64 * 1024 * 1024 })
      const exec = yield* Exec.make(backend)
      // `tail` keeps the last line, and there is no end of it.
      const { status } = yield* exec.run(Command.make("tail", ["-n", "1", "/dev/zero"]))
      assert.deepStrictEqual(status, { _tag: "Signaled", signal: "SIGKILL", cause: "oom" })
      const killed = yield* exec.run(Command.shell("kill -9 $$"))
      assert.strictEqual((yield* exec.run(Command.make("true"))).exitCode, 0)
      assert.strictEqual(killed.status._tag, "Signaled")
    })
  )

  it.live("what was created for an owner that is gone is swept; what has an owner is left", () =>
    Effect.gen(function* () {
      const client = yield* DockerClient.DockerClient
      const labels = Owner.labels()
      const create = (pid: number, start: string) =>
        client.createContainer({
          Image: image,
          Cmd: ["true"],
          Labels: { ...labels, "effect-exec.pid": String(pid), "effect-exec.start": start }
        })
      const abandoned = yield* create(process.pid, "1")
      const ours = yield* create(process.pid, labels["effect-exec.start"]!)
      yield* Effect.addFinalizer(() => Effect.ignore(client.removeContainer(ours)))
      yield* Owner.sweep(client)
      const left = (yield* client.listContainers("effect-exec=1")).map(({ id }) => id)
      assert.notInclude(left, abandoned)
      assert.include(left, ours)
    })
  )

  it.live("files go in and come out exactly, by stream too, and never take the place of a directory", () =>
    Effect.gen(function* () {
      const container = yield* Container.make({ image })
      const exec = yield* DockerExec.make(container)
      const bytes = crypto.getRandomValues(new Uint8Array(60_001))
      const read = (path: string) =>
        Effect.map(Stream.runCollect(container.readFile(path)), (chunks) => new Uint8Array(Buffer.concat(chunks)))
      const long = `/sandbox/work/${"ä".repeat(80)}`
      for (const path of ["/sandbox/work/a", long]) {
        yield* container.writeFile(path, bytes)
        assert.deepStrictEqual(yield* read(path), bytes)
      }
      const stream = Stream.fromArray(Array.from({ length: 50 }, () => bytes))
      yield* container.writeFile("/sandbox/work/b", { bytes: stream, size: 50 * bytes.length }, { mode: 0o755 })
      assert.strictEqual((yield* read("/sandbox/work/b")).length, 50 * bytes.length)
      const { stdout } = yield* exec.run(Command.shell("stat -c '%a %u %s' b; ln -s b l; mkdir d"))
      assert.strictEqual(stdout, `755 1000 ${50 * bytes.length}\n`)
      assert.strictEqual((yield* read("/sandbox/work/l")).length, 50 * bytes.length)
      const tagOf = <A, E>(effect: Effect.Effect<A, E>) =>
        Effect.map(Effect.flip(effect), (error) => (error as { reason: { _tag: string } }).reason._tag)
      assert.strictEqual(yield* tagOf(read("/sandbox/work/none")), "NotFound")
      assert.strictEqual(yield* tagOf(read("/sandbox/work/d")), "BadResource")
      assert.strictEqual(yield* tagOf(container.writeFile("/sandbox/work/d", "x")), "BadResource")
      assert.strictEqual(yield* tagOf(container.writeFile("/sandbox/none/x", "x")), "NotFound")
      assert.strictEqual(yield* tagOf(container.writeFile("/etc/x", "x")), "PermissionDenied")
      const short = { bytes: Stream.succeed(bytes), size: bytes.length + 1 }
      assert.strictEqual(yield* tagOf(container.writeFile("/sandbox/work/c", short)), "BadResource")
      const broken = { bytes: Stream.fail("mine" as const), size: 1 }
      assert.strictEqual(yield* Effect.flip(container.writeFile("/sandbox/work/c", broken)), "mine")
    })
  )
})
