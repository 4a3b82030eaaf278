/**
 * What is changed of a command, or refused, before it is started.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as ChildProcess from "effect/process/ChildProcess"
import { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { assert } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as ExecFileSystem from "effect-exec/ExecFileSystem"
import * as ExecLayer from "effect-exec/ExecLayer"
import * as ExecSpawner from "effect-exec/ExecSpawner"
import { scripts } from "../scripts.ts"
import { eventually } from "../suite/facts.ts"
import { test, withEach, type Test } from "./kit.ts"

/** A program that starts another one, and waits for it: `sudo` does so, where `env` and `nice` become it. */
const parent = ["/bin/sh", "-c", '"$@"; exit $?', "parent"] as const

/** Changes. */
export const changes: ReadonlyArray<Test> = [
  test("prefix: each command is started by the other program", function* ({ around, sh }) {
    const [became, forked] = [
      yield* around(ExecLayer.prefix("env", "PREFIXED=yes")),
      yield* around(ExecLayer.prefix(...parent))
    ]
    yield* withEach((verb) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* verb(became, sh('printf %s "$PREFIXED"'))).stdout, "yes")
        const { exitCode, stdout } = yield* verb(forked, sh('printf "%s," "$@"; exit 7', "a b", "$HOME"))
        assert.deepStrictEqual([stdout, exitCode], ["a b,$HOME,", 7])
        // A command that does not exist is the other program's to report.
        assert.strictEqual((yield* verb(forked, Command.make("effect-exec-no-such-program"))).exitCode, 127)
      })
    )
  }),
  test("prefix: nice, where there is that", function* ({ around, exec, sh }) {
    if (!(yield* exec.run(sh("command -v nice"))).ok) return
    const nicer = yield* around(ExecLayer.prefix("nice", "-n", "5"))
    const before = Number((yield* exec.run(sh("nice"))).stdout)
    yield* withEach((verb) =>
      Effect.map(verb(nicer, sh("nice")), ({ stdout }) => assert.strictEqual(Number(stdout), Math.min(before + 5, 19)))
    )
  }),
  test("prefix: an interruption ends both, before it completes", function* ({ around, exec, hasLines, lines, sh }) {
    const forked = yield* around(ExecLayer.prefix(...parent))
    const running = yield* Effect.forkChild(forked.run(sh('echo "$$ $PPID" >>pids; exec sleep 300')))
    yield* hasLines("pids", 1)
    yield* Fiber.interrupt(running)
    const [pids = ""] = yield* lines("pids")
    assert.strictEqual(pids.split(" ").length, 2)
    assert.strictEqual((yield* exec.run(sh(scripts.alive, ...pids.split(" ")))).stdout, "")
  }),
  test("prefix: a kill and a signal reach the command", function* ({ around, exec, hasLines, lines, sh }) {
    const forked = yield* around(ExecLayer.prefix(...parent))
    const process = yield* forked.detach(sh('echo "$$" >>pid; exec sleep 300'))
    yield* hasLines("pid", 1)
    yield* process.kill()
    const pid = yield* lines("pid")
    yield* eventually(
      "the command is dead",
      Effect.map(exec.run(sh(scripts.alive, ...pid)), ({ stdout }) => stdout === "")
    )
    assert.isFalse((yield* process.wait()).ok)
  }),
  test("commandDefaults: directory and environment of what says nothing of its own", function* ({ around, at, exec }) {
    yield* exec.run(Command.make("mkdir", ["-p", `${at}/sub`]))
    const here = yield* around(ExecLayer.commandDefaults({ cwd: at, env: { A: "1", B: "b" } }))
    const show = (options: Command.Options) =>
      Command.make("/bin/sh", ["-c", 'echo "$PWD ${A-none} ${B-none}"'], options)
    yield* withEach((verb) =>
      Effect.gen(function* () {
        const shown = (options: Command.Options) => Effect.map(verb(here, show(options)), ({ stdout }) => stdout.trim())
        assert.strictEqual(yield* shown({}), `${at} 1 b`)
        assert.strictEqual(yield* shown({ cwd: "sub", env: { A: "2", B: undefined } }), `${at}/sub 2 none`)
        assert.strictEqual(yield* shown({ cwd: "/usr", extendEnv: false, env: { B: "3" } }), "/usr none 3")
      })
    )
  }),
  test("commandDefaults: the user, where there are users", function* ({ around, exec }) {
    if ((yield* exec.capabilities).user === "none") return
    const nobody = yield* around(ExecLayer.commandDefaults({ user: "nobody" }))
    yield* withEach((verb) =>
      Effect.gen(function* () {
        const id = (options: Command.Options) =>
          Effect.map(verb(nobody, Command.make("id", ["-un"], { cwd: "/", ...options })), ({ stdout }) => stdout)
        assert.deepStrictEqual([yield* id({}), yield* id({ user: "root" })], ["nobody\n", "root\n"])
      })
    )
  }),
  test("allow: what is not on the list does not start, and is PermissionDenied", function* ({ around, lines, sh }) {
    const exec = yield* around(ExecLayer.allow(["/bin/sh"]))
    const touched = sh("echo run >>log")
    yield* withEach((verb, name) =>
      Effect.gen(function* () {
        assert.isTrue((yield* verb(exec, sh("exit 0"))).ok)
        for (const command of [
          { ...touched, argv: ["sh", ...touched.argv.slice(1)] as const },
          { ...touched, env: { PATH: "/tmp" } },
          { ...touched, env: { LD_PRELOAD: "/tmp/no.so" } }
        ]) {
          assert.strictEqual((yield* Effect.flip(verb(exec, command))).reason._tag, "PermissionDenied", name)
        }
      })
    )
    assert.deepStrictEqual(yield* lines("log"), [])
  }),
  test("files and effect/process go through all of it", function* ({ at, lines, within }) {
    const context = yield* within((self) =>
      Layer.mergeAll(ExecFileSystem.layer, ExecSpawner.layer).pipe(
        Layer.provide(
          self.pipe(
            ExecLayer.commandDefaults({ cwd: at, env: { GREETING: "hello" } }),
            ExecLayer.allow(["cat", "/bin/sh"])
          )
        )
      )
    )
    yield* Effect.gen(function* () {
      const [fs, spawner] = [yield* FileSystem.FileSystem, yield* ChildProcessSpawner]
      yield* fs.writeFileString("note", "text\n")
      assert.deepStrictEqual(yield* lines("note"), ["text"])
      const command = ChildProcess.make("/bin/sh", ["-c", "cat note; echo $GREETING"])
      assert.strictEqual(yield* spawner.string(command), "text\nhello\n")
      for (const denied of [
        Effect.asVoid(fs.stat("note")),
        Effect.asVoid(Effect.scoped(ChildProcess.make`touch note`))
      ]) {
        const error = yield* Effect.flip(denied)
        assert.propertyVal(error.cause, "_tag", "ExecError")
        assert.include(error.message, "policy")
      }
    }).pipe(Effect.provideContext(context))
  })
]
