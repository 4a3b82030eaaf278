/** Commands in a capsule of the Wrenn service, against what each generation of it does, and drops. */
import * as Fs from "node:fs"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert, describe, it } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import type { ExecEvent } from "effect-exec/ExecEvent"
import * as ExitStatus from "effect-exec/ExitStatus"
import * as ProcessId from "effect-exec/ProcessId"
import { connect, failsWith, gone, until } from "./wrenn.ts"
import { generations, make } from "./wrennService.ts"

const text = (events: ReadonlyArray<ExecEvent>) =>
  events.map((event) =>
    event._tag === "Stdout" || event._tag === "Stderr" ? Buffer.from(event.bytes).toString() : event._tag
  )

for (const generation of generations) {
  const served = Effect.gen(function* () {
    const service = yield* make(generation)
    return { service, exec: yield* connect(service) }
  })

  describe(`WrennExec, service ${generation}`, () => {
    it.live("run gives output, code and duration; arguments arrive as they are", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const result = yield* exec.run(Command.shell("echo out; echo err >&2; exit 3"))
        assert.deepStrictEqual([result.stdout, result.stderr, result.exitCode], ["out\n", "err\n", 3])
        assert.isAbove(Duration.toMillis(result.duration), 0)
        assert.isTrue((yield* exec.run(Command.make("true"))).ok)
        const words = ["", " ", "$HOME", "'", '"', "a\nb", "é€😀", "-x", "*"]
        assert.strictEqual(
          (yield* exec.run(Command.make("printf", ["[%s]", ...words]))).stdout,
          words.map((word) => `[${word}]`).join("")
        )
        // The service takes no more than this.
        for (const body of service.bodies("WS /exec/stream")) {
          assert.hasAllKeys(body, ["type", "cmd", "args", "lingering"])
        }
      })
    )

    it.live("environment and directory have their effect, though the service drops them", () =>
      Effect.gen(function* () {
        const { exec } = yield* served
        const script = 'echo "$A|$B|${WRENN_SANDBOX:+set}|$(pwd)"'
        const env = { A: "a b&c|d;e 'f'", B: Redacted.make("s3cret") }
        const given = yield* exec.run(Command.shell(script, { cwd: "/usr", env }))
        assert.strictEqual(given.stdout, "a b&c|d;e 'f'|s3cret|set|/usr\n")
        const without = yield* exec.run(Command.shell(script, { cwd: "/usr", env: { WRENN_SANDBOX: undefined } }))
        assert.strictEqual(without.stdout, "|||/usr\n")
        const alone = yield* exec.run(Command.make("env", [], { env: { ONLY: "1" }, extendEnv: false }))
        assert.strictEqual(alone.stdout, "ONLY=1\n")
        assert.strictEqual((yield* exec.run(Command.make("pwd", [], { cwd: "/" }))).stdout, "/\n")
      })
    )

    it.live("what cannot start says why, and what the service cannot carry is Unsupported", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const { program } = yield* failsWith(exec.run(Command.make("no-such-program")), "CommandNotFound")
        assert.strictEqual(program, "no-such-program")
        yield* failsWith(exec.run(Command.make("/etc/passwd")), "PermissionDenied")
        yield* failsWith(exec.run(Command.make("true", [], { cwd: "/no/such" })), "CwdNotFound")
        yield* failsWith(exec.detach(Command.make("true", [], { cwd: "/no/such" })), "CwdNotFound")
        const asked = service.bodies("WS /exec/stream").length
        const features = [
          yield* failsWith(exec.run(Command.make("cat"), { stdin: "text" }), "Unsupported"),
          yield* failsWith(exec.run(Command.make("true", [], { user: "root" })), "Unsupported"),
          yield* failsWith(exec.run(Command.make("true", [], { tty: { columns: 80, rows: 24 } })), "Unsupported")
        ]
        assert.deepStrictEqual(
          features.map(({ feature }) => feature),
          ["stdin", "user", "tty"]
        )
        // Nothing was started.
        assert.strictEqual(service.bodies("WS /exec/stream").length, asked)
        assert.strictEqual((yield* exec.run(Command.make("cat"))).stdout, "")
      })
    )

    it.live("stream gives the start, the output as it comes, and the end", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const script = `echo one; while [ ! -e ${service.home}/go ]; do sleep 0.01; done; echo two >&2; exit 4`
        const events = yield* exec.stream(Command.shell(script)).pipe(
          Stream.tap((event) =>
            Effect.sync(() => {
              if (event._tag === "Stdout") Fs.writeFileSync(`${service.home}/go`, "")
            })
          ),
          Stream.runCollect
        )
        assert.deepStrictEqual(text(events), ["Started", "one\n", "two\n", "Exited"])
        const [started] = events
        const exited = events.at(-1)
        assert.isTrue(started?._tag === "Started" && started.pid > 0)
        assert.deepStrictEqual(exited?._tag === "Exited" && exited.status, ExitStatus.exited(4))
      })
    )

    it.live("a timeout ends the tree by the service's DELETE, which the service would not; what it wrote is kept", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const script = `trap '' TERM; sleep 300 & echo "$$ $!"; while :; do sleep 1; done`
        const result = yield* exec.run(Command.shell(script), { timeout: "1 second", grace: "20 millis" })
        assert.isTrue(result.timedOut)
        const [pid = 0, child = 0] = result.stdout.split(" ").map(Number)
        assert.strictEqual(pid, result.pid)
        const kills = service.asked.filter(({ route }) => route === `DELETE /processes/${pid}`)
        assert.deepStrictEqual(
          kills.map(({ query }) => query),
          ["?signal=SIGKILL"]
        )
        yield* gone(pid)
        yield* gone(child)
      })
    )

    it.live(
      "output past the cap, a stream that nobody wants, an interruption and the end of a scope end the tree",
      () =>
        Effect.gen(function* () {
          const { exec, service } = yield* served
          const capped = yield* exec.run(Command.make("yes"), { maxOutput: 1_000, grace: 0 })
          assert.deepStrictEqual([capped.truncated, capped.stdoutBytes.length], [true, 1_000])
          yield* gone(capped.pid)
          const script = Command.shell("sleep 300 & echo $!; sleep 300")
          const [first] = yield* Exec.lines(exec.stream(script, { grace: 0 })).pipe(Stream.take(1), Stream.runCollect)
          yield* gone(Number(first))
          const running = yield* Effect.forkChild(exec.run(Command.make("sleep", ["300"]), { grace: 0 }))
          yield* until(Effect.sync(() => service.processes.size > 0))
          const [pid = 0] = service.processes.keys()
          yield* Fiber.interrupt(running)
          yield* gone(pid)
          const process = yield* Effect.scoped(exec.spawn(Command.make("sleep", ["300"]), { grace: 0 }))
          yield* gone(process.pid)
        })
    )

    it.live("signals go by name to one process or the tree; a death by one that was sent from here has its name", () =>
      Effect.gen(function* () {
        const { exec } = yield* served
        const traps = `trap 'echo usr1' USR1; echo ready; while :; do sleep 0.01; done`
        const process = yield* exec.spawn(Command.shell(traps))
        const pull = yield* Stream.toPull(Exec.lines(process.events))
        assert.deepStrictEqual(yield* pull, ["ready"])
        yield* process.kill({ signal: "SIGUSR1", scope: "process" })
        assert.deepStrictEqual(yield* pull, ["usr1"])
        yield* process.kill({ signal: "SIGINT" })
        assert.deepStrictEqual(yield* process.wait, ExitStatus.signaled("SIGINT"))
        // What has ended is no error.
        yield* process.kill()
      })
    )

    it.live("detach starts in the background with its tag, environment and directory", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const command = Command.shell("while [ ! -e go ]; do sleep 0.01; done; echo $A $(pwd); exit 5", {
          env: { A: "a" },
          cwd: service.home
        })
        const process = yield* exec.detach(command, { tag: "job" })
        assert.deepStrictEqual([process.tag, process.command], ["job", command])
        const [body] = service.bodies("POST /exec")
        assert.deepInclude(body, { cmd: "/bin/sh", background: true, tag: "job", envs: { A: "a" }, cwd: service.home })
        Fs.writeFileSync(`${service.home}/go`, "")
        const result = yield* process.wait()
        assert.deepStrictEqual([result.exitCode, result.stdout], [5, `a ${Fs.realpathSync(service.home)}\n`])
        const named = yield* exec.detach(Command.make("sleep", ["300"]))
        assert.match(named.tag, /^exec-[0-9a-f]{8}$/)
        // What the field for it cannot say is said by `env`.
        const alone = yield* exec.detach(Command.make("sleep", ["300"], { env: { ONLY: "1" }, extendEnv: false }))
        assert.deepInclude(service.bodies("POST /exec").at(-1), { cmd: "env", args: ["-i", "ONLY=1", "sleep", "300"] })
        yield* Effect.forEach([named, alone], (process) => process.kill({ grace: 0 }))
      })
    )

    it.live("what is detached lives on when its layer closes, and another client finds it by its tag and its pid", () =>
      Effect.gen(function* () {
        const { service } = yield* served
        const script = "while [ ! -e one ]; do sleep 0.01; done; echo one; while [ ! -e two ]; do sleep 0.01; done"
        const command = Command.shell(`${script}; exit 6`, { cwd: service.home })
        const layer = yield* Scope.make()
        const first = yield* Scope.provide(connect(service), layer)
        const left = yield* first.detach(command, { tag: "left" })
        yield* Scope.close(layer, Exit.void)
        const { pid } = left
        yield* failsWith(left.wait(), "Closed")
        assert.isTrue(service.processes.has(pid))
        const other = yield* connect(service)
        assert.deepStrictEqual(
          (yield* other.list()).map(({ command, pid, tag }) => ({ command, pid, tag })),
          [{ command: { argv: command.argv }, pid, tag: "left" }]
        )
        // Its tag is taken, whoever took it.
        const { tag } = yield* failsWith(other.detach(Command.make("true"), { tag: "left" }), "TagInUse")
        assert.strictEqual(tag, "left")
        yield* failsWith(other.get("nobody"), "ProcessNotFound")
        yield* failsWith(other.kill(999_999_999), "ProcessNotFound")
        const byTag = yield* other.get("left")
        const byPid = yield* other.get(pid)
        assert.strictEqual(byTag.id, byPid.id)
        assert.deepStrictEqual([byTag.pid, byTag.tag], [pid, "left"])
        Fs.writeFileSync(`${service.home}/one`, "")
        const seen = yield* Exec.lines(byTag.events()).pipe(Stream.runHead)
        assert.strictEqual(seen._tag === "Some" && seen.value, "one")
        Fs.writeFileSync(`${service.home}/two`, "")
        assert.strictEqual((yield* byPid.wait()).exitCode, 6)
        assert.deepStrictEqual(yield* other.list(), [])
      })
    )

    it.live("another client ends it, with a grace and with KILL", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const other = yield* connect(service)
        const stubborn = yield* exec.detach(Command.shell("trap '' TERM; sleep 300 & wait; while :; do sleep 1; done"))
        yield* other.kill(stubborn.tag, { grace: "20 millis" })
        yield* gone(stubborn.pid)
        const sleeping = yield* exec.detach(Command.make("sleep", ["300"]))
        yield* other.kill(sleeping.pid, { signal: "SIGTERM" })
        yield* gone(sleeping.pid)
        // A signal that somebody else has sent: the service says -1, and no more.
        const { started } = yield* failsWith(sleeping.wait(), "ConnectionLost")
        assert.isTrue(started)
      })
    )

    it.live("what has ended before it could be followed was started; how it ended is unknown", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        service.instead("WS /processes/PID/stream", { frames: [], end: "cut" })
        const process = yield* exec.detach(Command.make("sleep", ["300"]), { tag: "gone" })
        assert.strictEqual(process.pid, [...service.processes.keys()][0])
        const { started } = yield* failsWith(process.wait(), "ConnectionLost")
        assert.isTrue(started)
        service.instead("WS /processes/PID/stream", { status: 503 })
        const unheard = yield* exec.detach(Command.make("sleep", ["300"]))
        assert.isTrue((yield* failsWith(unheard.wait(), "ConnectionLost")).started)
        // They run, and are found again.
        assert.sameMembers(
          (yield* exec.list()).map(({ pid }) => pid),
          [process.pid, unheard.pid]
        )
        const again = yield* exec.get("gone")
        assert.strictEqual(again.pid, process.pid)
        assert.isTrue(yield* again.isRunning)
        yield* exec.kill("gone", { grace: 0 })
        assert.strictEqual((yield* again.wait()).endedBy, "signal")
        yield* exec.kill(unheard.pid, { grace: 0 })
        yield* gone(unheard.pid)
      })
    )

    it.live("whoever is interrupted while it starts leaves nothing behind", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        service.instead("WS /processes/PID/stream", "hang")
        const starting = yield* Effect.forkChild(exec.detach(Command.make("sleep", ["300"])))
        yield* until(Effect.sync(() => service.asked.some(({ route }) => route.startsWith("WS /processes"))))
        const [pid = 0] = service.processes.keys()
        yield* Fiber.interrupt(starting)
        yield* gone(pid)
        // Before the service has answered: what it answers then is nobody's.
        const registered = yield* Deferred.make<number>()
        service.processes.set = function (pid, process) {
          delete (this as { set?: unknown }).set
          Deferred.doneUnsafe(registered, Effect.succeed(pid))
          return this.set(pid, process)
        }
        const early = yield* Effect.forkChild(exec.detach(Command.make("sleep", ["300"])))
        const unanswered = yield* Deferred.await(registered)
        yield* Fiber.interrupt(early)
        assert.isEmpty(service.bodies(`WS /processes/${unanswered}/stream`))
        yield* gone(unanswered)
      })
    )

    it.live("an id that has started once starts nothing again, with its tag", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const options = { id: ProcessId.make("mine"), tag: "mine" } as const
        const [one, two] = yield* Effect.all(
          [exec.detach(Command.make("sleep", ["300"]), options), exec.detach(Command.make("sleep", ["300"]), options)],
          { concurrency: "unbounded" }
        )
        const three = yield* exec.detach(Command.make("sleep", ["300"]), options)
        assert.deepStrictEqual([two.pid, three.pid], [one.pid, one.pid])
        assert.strictEqual(service.bodies("POST /exec").length, 1)
        yield* three.kill({ grace: 0 })
      })
    )
  })
}
