import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Command } from "effect-exec"
import * as Users from "../src/internal/users.ts"
import { executable, failure, run, spawn, temporary } from "./support.ts"

const env = Command.make("env")
const isRoot = process.getuid?.() === 0

describe("environment", () => {
  it.live("C3 is PATH, HOME, LANG and TMPDIR of this process and nothing else", () =>
    Effect.gen(function* () {
      process.env["A_SECRET"] = "x"
      process.env["NODE_V8_COVERAGE"] = "/nowhere"
      process.env["TMPDIR"] = "/tmp"
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const name of ["A_SECRET", "NODE_V8_COVERAGE", "TMPDIR"]) delete process.env[name]
        })
      )
      const { stdout } = yield* run(env)
      const wanted = ["PATH", "HOME", "LANG", "TMPDIR"].filter((name) => process.env[name] !== undefined)
      assert.deepStrictEqual(
        stdout.trim().split("\n").toSorted(),
        wanted.map((name) => `${name}=${process.env[name]}`).toSorted()
      )
    })
  )
  it.live("C3 baseEnv replaces the base; a command adds, replaces and takes away", () =>
    Effect.gen(function* () {
      const command = Command.make("/usr/bin/env", [], {
        env: { B: "2", C: undefined, S: Redacted.make("s"), __proto__: null } as never
      })
      const { stdout } = yield* run(command, { baseEnv: { A: "1", B: "1", C: "1" } })
      assert.deepStrictEqual(stdout.trim().split("\n").toSorted(), ["A=1", "B=2", "S=s"])
    })
  )
  it.live("programs are looked for on the command's own PATH", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      executable(Path.join(directory, "own-tool"), "#!/bin/sh\necho own\n")
      const command = Command.make("own-tool", [], { env: { PATH: directory } })
      assert.strictEqual((yield* run(command)).stdout, "own\n")
      assert.strictEqual((yield* failure(Command.make("own-tool")))._tag, "CommandNotFound")
      // Without any PATH the C library has one of its own.
      assert.strictEqual((yield* run(Command.make("true", [], { env: { PATH: undefined } }))).status._tag, "Exited")
    })
  )
})

describe("directory", () => {
  it.live("C4 a relative one is relative to the layer's", () =>
    Effect.gen(function* () {
      const directory = Fs.realpathSync(yield* temporary)
      Fs.mkdirSync(Path.join(directory, "sub"))
      const pwd = (cwd?: string) =>
        Effect.map(
          run(Command.make("/bin/pwd", [], cwd === undefined ? {} : { cwd }), { cwd: directory }),
          ({ stdout }) => stdout.trim()
        )
      assert.strictEqual(yield* pwd(), directory)
      assert.strictEqual(yield* pwd("sub"), Path.join(directory, "sub"))
      assert.strictEqual(yield* pwd("/"), "/")
    })
  )
  it.live("C4 one that is missing or no directory is CwdNotFound, and not a missing program", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const file = executable(Path.join(directory, "file"), "")
      for (const [cwd, code] of [
        [Path.join(directory, "none"), "ENOENT"],
        [file, "ENOTDIR"]
      ] as const) {
        const reason = yield* failure(Command.make("true", [], { cwd }))
        assert.deepInclude(reason, { _tag: "CwdNotFound", cwd })
        assert.strictEqual(reason.detail?.code, code)
      }
      assert.strictEqual((yield* failure(Command.make("true"), { cwd: "/none" }))._tag, "CwdNotFound")
    })
  )
})

describe("a program that does not start", () => {
  it.live("C6 missing is CommandNotFound; not executable, or a directory, is PermissionDenied", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const file = executable(Path.join(directory, "plain"), "#!/bin/sh\n", 0o644)
      const tag = (program: string) => Effect.map(failure(Command.make(program)), (reason) => reason._tag)
      assert.strictEqual(yield* tag("no-such-program"), "CommandNotFound")
      assert.strictEqual(yield* tag(Path.join(directory, "none")), "CommandNotFound")
      assert.strictEqual(yield* tag(Path.join(file, "below-a-file")), "CommandNotFound")
      assert.strictEqual(yield* tag(file), "PermissionDenied")
      assert.strictEqual(yield* tag(directory), "PermissionDenied")
    })
  )
  it.live("C6 a directory on the PATH with the program's name does not make it exist", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      Fs.mkdirSync(Path.join(directory, "tool"))
      const reason = yield* failure(Command.make("tool", [], { env: { PATH: directory } }))
      assert.strictEqual(reason._tag, "CommandNotFound")
    })
  )
  it.live("a script whose interpreter is missing is there: StartFailed names the interpreter", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const script = executable(Path.join(directory, "script"), "#! /no/such/interpreter -x\n")
      for (const command of [Command.make(script), Command.make("script", [], { env: { PATH: directory } })]) {
        const reason = yield* failure(command)
        assert.strictEqual(reason._tag, "StartFailed")
        assert.strictEqual(reason.detail?.code, "ENOENT")
        assert.include(reason.message, "/no/such/interpreter")
      }
    })
  )
  it.live("too long a list of arguments is StartFailed with E2BIG, not a defect", () =>
    Effect.gen(function* () {
      const reason = yield* failure(Command.make("true", ["x".repeat(4_000_000)]))
      assert.deepInclude(reason, { _tag: "StartFailed", program: "true" })
      assert.deepStrictEqual(reason.detail, { backend: "local", code: "E2BIG", text: "argument list too long" })
      assert.isFalse(reason.isRetryable)
    })
  )
  it.live("leaves no file descriptor behind", () =>
    Effect.gen(function* () {
      const count = () => Fs.readdirSync("/proc/self/fd").length
      yield* failure(Command.make("no-such-program"))
      const before = count()
      for (let index = 0; index < 50; index++) yield* failure(Command.make("no-such-program"))
      assert.strictEqual(count(), before)
    })
  )
})

describe("user", () => {
  it.live.skipIf(!isRoot)("C5 a known one has its id and group, and none of root's groups (NEEDS ROOT)", () =>
    Effect.gen(function* () {
      const id = (user: string) =>
        Effect.map(run(Command.shell("id -u; id -g; id -G", { user })), ({ stdout }) => stdout.trim().split("\n"))
      assert.deepStrictEqual(yield* id("nobody"), ["65534", "65534", "65534"])
      assert.deepStrictEqual(yield* id("65534"), ["65534", "65534", "65534"])
      assert.deepStrictEqual(yield* id("nobody:daemon"), ["65534", "1", "1"])
      assert.deepStrictEqual(yield* id("12345:54321"), ["12345", "54321", "54321"])
    })
  )
  it.live("C5 an unknown one is UserNotFound", () =>
    Effect.gen(function* () {
      for (const user of ["no-such-user", "nobody:no-such-group", "12345", "1:2:3", ":1", "1:", "4294967295:0"]) {
        assert.deepInclude(yield* failure(Command.make("true", [], { user })), { _tag: "UserNotFound", user })
      }
    })
  )
  it.live.skipIf(!isRoot)("C6 a program that this user may not execute is PermissionDenied (NEEDS ROOT)", () =>
    Effect.gen(function* () {
      const file = executable(Path.join(yield* temporary, "mine"), "#!/bin/sh\n", 0o700)
      assert.strictEqual((yield* failure(Command.make(file, [], { user: "nobody" })))._tag, "PermissionDenied")
    })
  )
  it.live("names of digits come before numbers", () =>
    Effect.gen(function* () {
      const directory = yield* temporary
      const passwd = executable(Path.join(directory, "passwd"), "1000:x:7:8::/:/bin/sh\nother:x:1000:9::/:/bin/sh\n")
      const group = executable(Path.join(directory, "group"), "staff:x:50:\n")
      assert.deepStrictEqual(Users.find("1000", { passwd, group }), { uid: 7, gid: 8 })
      assert.deepStrictEqual(Users.find("other:staff", { passwd, group }), { uid: 1000, gid: 50 })
    })
  )
})

describe("exit", () => {
  it.live("a death by a real-time signal that we sent is told from exit 0", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.make("sleep", ["1000"]))
      yield* running.signal("SIG34", "process")
      assert.deepStrictEqual(yield* running.exited, { _tag: "Signaled", signal: "SIG34" })
    })
  )
  it.live("exit 0 of a process that catches the real-time signal stays exit 0", () =>
    Effect.gen(function* () {
      const python =
        "import os, signal, sys\nsignal.signal(34, lambda *_: sys.exit(0))\nprint('READY', flush=True)\nsignal.pause()"
      const running = yield* spawn(Command.python(python))
      yield* running.pull
      yield* running.signal("SIG34", "tree")
      assert.deepStrictEqual(yield* running.exited, { _tag: "Exited", code: 0 })
    })
  )
})
