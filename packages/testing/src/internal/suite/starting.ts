/**
 * Starting: arguments, environment, directory, user, and what cannot be started.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { assert } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import { type Chapter, testOf, when } from "./case.ts"
import { collect, follow } from "./facts.ts"
import { failsWith } from "./kit.ts"

/** Arguments that a shell, or a careless program, would change. */
export const awkward = [
  "",
  " ",
  "two words",
  "'single' \"double\" `back`",
  "$HOME ${HOME} $(echo no) %s \\n \\",
  "line one\nline two\n",
  "; echo no | cat > /dev/null && false",
  "*.? [a-z] ~ {a,b} !",
  "-n",
  "--",
  "\t\r\x1b[0m\x7f",
  "äöü ß 漢字 🎈 \u200d"
]

/** C0, C1: what the backend declares, and arguments. */
export const declaring: Chapter = (target) => {
  const test = testOf(target)
  const { capabilities } = target
  return [
    test("C0 capabilities are what the suite was told", ({ exec }) =>
      Effect.map(exec.capabilities, (declared) => assert.deepStrictEqual(declared, capabilities))),
    ...when(capabilities.stdin === "none", () => [
      test("C0 stdin, declared absent, is Unsupported", ({ exec, fixtures }) =>
        Effect.gen(function* () {
          yield* failsWith(exec.run(fixtures.cat, { stdin: "text" }), "Unsupported")
          yield* failsWith(exec.detach(fixtures.cat, { stdin: "open" }), "Unsupported")
        }))
    ]),
    ...when(capabilities.user === "none", () => [
      test("C0 user, declared absent, is Unsupported", ({ exec, fixtures }) =>
        Effect.gen(function* () {
          const command = { ...fixtures.whoami, user: fixtures.user }
          yield* failsWith(exec.run(command), "Unsupported")
          yield* failsWith(collect(exec.stream(command)), "Unsupported")
          yield* failsWith(exec.detach(command), "Unsupported")
        }))
    ]),
    test("C1 arguments arrive exactly, whatever they hold", ({ exec, fixtures }) =>
      Effect.map(exec.run(fixtures.echo(awkward)), (result) => {
        assert.deepStrictEqual(result.stdout.split("\0").slice(0, -1), awkward)
        assert.strictEqual(result.exitCode, 0)
      })),
    test("C1 an argument of 100 KiB arrives exactly", ({ exec, fixtures }) =>
      Effect.map(exec.run(fixtures.echo(["x".repeat(102_400), "y"])), (result) => {
        const [long, short] = result.stdout.split("\0")
        assert.strictEqual(long?.length, 102_400)
        assert.strictEqual(short, "y")
      })),
    ...when(target.fixtures.shell, () => [
      test("C2 shell runs a script", ({ exec }) =>
        Effect.map(exec.run(Command.shell("printf 'a b\\n' | wc -c | tr -d ' '; exit 3")), (result) => {
          assert.strictEqual(result.stdout, "4\n")
          assert.strictEqual(result.exitCode, 3)
        })),
      test("C2 the template form of shell quotes every interpolation", ({ exec }) =>
        Effect.forEach(awkward, (word) =>
          Effect.map(exec.run(Command.shell`printf %s ${word}; printf '[%s]' ${[word, 7]}`), (result) =>
            assert.strictEqual(result.stdout, `${word}[${word}][7]`)
          )
        )),
      test("C6 a shell that does not know a word of its script is an ordinary exit 127", ({ exec }) =>
        Effect.map(exec.run(Command.shell("effect-exec-no-such-program")), (result) => {
          assert.strictEqual(result.exitCode, 127)
          assert.strictEqual(result.stdout, "")
          assert.notStrictEqual(result.stderr, "")
        }))
    ]),
    ...when(target.fixtures.python, () => [
      test("C2 python runs code", ({ exec }) =>
        Effect.map(exec.run(Command.python("import sys\nprint(6 * 7)\nsys.exit(5)")), (result) => {
          assert.strictEqual(result.stdout, "42\n")
          assert.strictEqual(result.exitCode, 5)
        }))
    ])
  ]
}

/** C3, C4, C5: environment, directory, user. */
export const surroundings: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C3 env reaches the process exactly", ({ exec }) =>
      Effect.forEach([...awkward, "a b&c|d;e", "a=b"], (value) =>
        Effect.map(exec.run({ ...fixtures.env("EFFECT_EXEC_VALUE"), env: { EFFECT_EXEC_VALUE: value } }), (result) =>
          assert.strictEqual(result.stdout, value)
        )
      )),
    test("C3 env adds to the sandbox's, undefined takes away, and nothing leaks into the next command", ({ exec }) =>
      Effect.gen(function* () {
        const path = fixtures.env("PATH")
        const before = yield* exec.run(path)
        assert.notStrictEqual(before.stdout, "")
        const added = yield* exec.run({ ...path, env: { ...path.env, EFFECT_EXEC_VALUE: "1" } })
        assert.strictEqual(added.stdout, before.stdout)
        const home = fixtures.env("HOME")
        const set = yield* exec.run({ ...home, env: { ...home.env, HOME: "/elsewhere" } })
        assert.strictEqual(set.stdout, "/elsewhere")
        const taken = yield* exec.run({ ...home, env: { ...home.env, HOME: undefined } })
        assert.strictEqual(taken.exitCode, 1)
        const after = yield* exec.run(fixtures.env("EFFECT_EXEC_VALUE"))
        assert.strictEqual(after.exitCode, 1)
      })),
    test("C3 with extendEnv: false env is the whole environment", ({ exec }) =>
      Effect.gen(function* () {
        const home = { ...fixtures.env("HOME"), extendEnv: false }
        assert.strictEqual((yield* exec.run(home)).exitCode, 1)
        const given = yield* exec.run({ ...home, env: { ...home.env, HOME: "/elsewhere" } })
        assert.strictEqual(given.stdout, "/elsewhere")
        assert.strictEqual((yield* exec.run({ ...home, extendEnv: true })).exitCode, 0)
      })),
    test("C3 a redacted value reaches the process and shows up nowhere else", ({ exec }) =>
      Effect.gen(function* () {
        const secret = "s3cr3t-value"
        const env = { EFFECT_EXEC_VALUE: Redacted.make(secret) }
        const result = yield* exec.run({ ...fixtures.env("EFFECT_EXEC_VALUE"), env })
        assert.strictEqual(result.stdout, secret)
        const error = yield* Effect.flip(exec.run(Command.make("effect-exec-no-such-program", [], { env })))
        assert.notInclude(`${error.message} ${JSON.stringify(error)} ${String(error)}`, secret)
        const invalid = yield* Effect.flip(
          exec.run(Command.make("x", [], { env: { EFFECT_EXEC_VALUE: Redacted.make(`${secret}\0`) } }))
        )
        assert.notInclude(`${invalid.message} ${JSON.stringify(invalid)}`, secret)
        const detached = yield* exec.detach({ ...fixtures.hang, env: { ...fixtures.hang.env, ...env } })
        assert.notInclude(JSON.stringify(yield* exec.list()), secret)
        assert.notInclude(JSON.stringify(detached.command), secret)
        yield* detached.kill({ signal: "SIGKILL" })
      })),
    test("C4 cwd is honoured by run, stream and detach alike", ({ exec }) =>
      Effect.gen(function* () {
        const command = { ...fixtures.pwd, cwd: fixtures.directory }
        const expected = `${fixtures.directory}\n`
        assert.strictEqual((yield* exec.run(command)).stdout, expected)
        const streamed = yield* follow(exec.stream(command))
        yield* streamed.ended
        assert.strictEqual(streamed.stdout(), expected)
        const detached = yield* exec.detach(command)
        assert.strictEqual((yield* detached.wait()).stdout, expected)
        assert.notStrictEqual(
          (yield* exec.run(fixtures.pwd)).stdout,
          expected,
          "the fixture's directory is the default"
        )
      })),
    test("C4 a missing cwd is CwdNotFound, before any event", ({ exec }) =>
      Effect.gen(function* () {
        const cwd = fixtures.missingDirectory
        const command = { ...fixtures.pwd, cwd }
        const reason = yield* failsWith(exec.run(command), "CwdNotFound")
        assert.strictEqual(reason.cwd, cwd)
        const streamed = yield* follow(exec.stream(command))
        yield* failsWith(streamed.ended, "CwdNotFound")
        assert.deepStrictEqual(streamed.events, [])
        yield* failsWith(exec.detach(command), "CwdNotFound")
        yield* failsWith(Effect.scoped(exec.spawn(command)), "CwdNotFound")
      })),
    ...when(target.capabilities.user !== "none", () => [
      test("C5 user is honoured by run and detach", ({ exec }) =>
        Effect.gen(function* () {
          const command = { ...fixtures.whoami, user: fixtures.user }
          assert.strictEqual((yield* exec.run(command)).stdout, `${fixtures.user}\n`)
          const detached = yield* exec.detach(command)
          assert.strictEqual((yield* detached.wait()).stdout, `${fixtures.user}\n`)
          assert.notStrictEqual((yield* exec.run(fixtures.whoami)).stdout, `${fixtures.user}\n`)
        })),
      test("C5 an unknown user is UserNotFound", ({ exec }) =>
        Effect.gen(function* () {
          const user = "effect-exec-no-such-user"
          const reason = yield* failsWith(exec.run({ ...fixtures.whoami, user }), "UserNotFound")
          assert.strictEqual(reason.user, user)
        }))
    ])
  ]
}

const invalid: ReadonlyArray<readonly [what: string, field: RegExp, command: Command.Command]> = [
  ["a NUL in the program", /argv/, Command.make("ec\0ho")],
  ["a NUL in an argument", /argv/, Command.make("echo", ["fine", "not\0fine"])],
  ["a NUL in an env value", /env/, Command.make("echo", [], { env: { A: "b\0c" } })],
  ["an env name with =", /env/, Command.make("echo", [], { env: { "A=B": "c" } })],
  ["an empty env name", /env/, Command.make("echo", [], { env: { "": "c" } })],
  ["a NUL in an env name", /env/, Command.make("echo", [], { env: { "A\0": "c" } })],
  ["a NUL in cwd", /cwd/, Command.make("echo", [], { cwd: "/\0" })],
  ["an empty argv", /argv/, { argv: [] as unknown as Command.Command["argv"] }],
  ["an empty program", /argv/, Command.make("")]
]

/** C6, C7: what cannot be started. */
export const failing: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  const unknown = "effect-exec-no-such-program"
  return [
    test("C6 a program that does not exist is CommandNotFound, and no event", ({ exec }) =>
      Effect.gen(function* () {
        const command = Command.make(unknown, ["argument"])
        assert.strictEqual((yield* failsWith(exec.run(command), "CommandNotFound")).program, unknown)
        const streamed = yield* follow(exec.stream(command))
        yield* failsWith(streamed.ended, "CommandNotFound")
        assert.deepStrictEqual(streamed.events, [])
        yield* failsWith(exec.detach(command, { tag: unknown }), "CommandNotFound")
        yield* failsWith(Effect.scoped(exec.spawn(command)), "CommandNotFound")
        yield* failsWith(exec.get(unknown), "ProcessNotFound")
      })),
    test("C6 a path that does not exist is CommandNotFound", ({ exec }) =>
      Effect.map(failsWith(exec.run(Command.make(fixtures.missingDirectory)), "CommandNotFound"), ({ program }) =>
        assert.strictEqual(program, fixtures.missingDirectory)
      )),
    test("C6 what may not be executed is PermissionDenied", ({ exec }) =>
      Effect.map(failsWith(exec.run(Command.make(fixtures.notExecutable)), "PermissionDenied"), (reason) =>
        assert.strictEqual(reason.program, fixtures.notExecutable)
      )),
    ...invalid.map(([what, field, command]) =>
      test(`C7 ${what} is InvalidCommand`, ({ exec }) =>
        Effect.gen(function* () {
          const reason = yield* failsWith(exec.run(command), "InvalidCommand")
          assert.match(reason.field, field)
          const streamed = yield* follow(exec.stream(command))
          yield* failsWith(streamed.ended, "InvalidCommand")
          assert.deepStrictEqual(streamed.events, [])
          yield* failsWith(exec.detach(command), "InvalidCommand")
          yield* failsWith(Effect.scoped(exec.spawn(command)), "InvalidCommand")
        }))
    ),
    test("C7 options that mean nothing are InvalidCommand", ({ exec }) =>
      Effect.gen(function* () {
        const { hang } = fixtures
        assert.match((yield* failsWith(exec.run(hang, { timeout: -1 }), "InvalidCommand")).field, /timeout/)
        assert.match((yield* failsWith(exec.run(hang, { grace: -1 }), "InvalidCommand")).field, /grace/)
        assert.match((yield* failsWith(exec.run(hang, { maxOutput: -1 }), "InvalidCommand")).field, /maxOutput/)
        assert.match((yield* failsWith(exec.run(hang, { maxOutput: NaN }), "InvalidCommand")).field, /maxOutput/)
        assert.match((yield* failsWith(exec.detach(hang, { ring: -1 }), "InvalidCommand")).field, /ring/)
        yield* failsWith(collect(exec.stream(hang, { timeout: -1 })), "InvalidCommand")
      })),
    test("C7 a command is checked when it is run, not when it is made", ({ exec }) =>
      Effect.sync(() => {
        const description = exec.run(Command.make("a\0b"))
        assert.isTrue(Effect.isEffect(description))
        assert.isFalse(ExecError.isExecError(description))
      }))
  ]
}
