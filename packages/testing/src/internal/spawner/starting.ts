/**
 * Starting: arguments, environment, directory, shell, and what cannot be started.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as ChildProcess from "effect/process/ChildProcess"
import { assert } from "@effect/vitest"
import { awkward } from "../suite/starting.ts"
import { failsWith, output, sh, test, text, use, type Test } from "./kit.ts"

const secret = "s3cr3t-value"
const unknown = "effect-exec-no-such-program"

const notExecutable = "/etc/passwd"

/** Starting. */
export const starting: ReadonlyArray<Test> = [
  test("arguments arrive exactly, whatever they hold", function* () {
    const got = yield* output(sh(String.raw`printf '%s\0' "$@"`, awkward))
    assert.deepStrictEqual(got.split("\0").slice(0, -1), awkward)
  }),
  test("a template is split into words, and a value in it is one argument", function* () {
    const words = ["two words", "$HOME"]
    const listed = yield* output(ChildProcess.make`printf %s, ${"a b"} "c d" ${words} ${7}`)
    assert.strictEqual(listed, "a b,c d,two words,$HOME,7,")
    assert.strictEqual(yield* output(ChildProcess.make({ cwd: "/usr" })`pwd`), "/usr\n")
  }),
  test("a command is an effect that gives its handle", function* () {
    const handle = yield* ChildProcess.make`true`
    assert.isAbove(handle.pid, 0)
    assert.deepStrictEqual(JSON.parse(JSON.stringify(handle)), { _id: "ChildProcessHandle", pid: Number(handle.pid) })
    assert.strictEqual(yield* handle.exitCode, 0)
  }),
  test("the pid is that of the process", function* () {
    const handle = yield* sh("echo $$")
    assert.strictEqual(yield* text(handle.stdout), `${handle.pid}\n`)
  }),
  test("without env a command has the environment of where it runs", function* () {
    assert.notStrictEqual(yield* output(sh('printf %s "$HOME"')), "")
  }),
  test("env replaces the environment", function* () {
    const got = yield* output(sh('printf "[%s]" "$HOME" "$GIVEN"', [], { env: { GIVEN: "1", ABSENT: undefined } }))
    assert.strictEqual(got, "[][1]")
  }),
  test("env with extendEnv adds to it, and undefined takes away", function* () {
    const script = 'printf "[%s]" "${PATH:+path}" "${HOME-none}" "$GIVEN"'
    const got = yield* output(sh(script, [], { env: { GIVEN: "a\nb", HOME: undefined }, extendEnv: true }))
    assert.strictEqual(got, "[path][none][a\nb]")
  }),
  test("redacted values reach the process, and appear in no error", function* () {
    const hidden = Redacted.make(secret)
    const command = ChildProcess.make("/bin/sh", ["-c", 'printf %s "$1$GIVEN"', "sh", hidden], {
      env: { GIVEN: hidden }
    })
    assert.strictEqual(yield* output(command), secret + secret)
    const error = yield* failsWith(ChildProcess.make(unknown, [hidden], { env: { GIVEN: hidden } }), "NotFound")
    assert.notInclude(`${error.message} ${JSON.stringify(error)} ${String(error)}`, secret)
    const nul = Redacted.make(`${secret}\0`)
    const bad = yield* failsWith(ChildProcess.make("true", [nul]), "BadArgument")
    assert.notInclude(`${bad.message} ${JSON.stringify(bad)}`, secret)
  }),
  test("cwd is where it starts", function* () {
    assert.strictEqual(yield* output(ChildProcess.make("pwd", [], { cwd: "/usr" })), "/usr\n")
  }),
  test("a cwd that does not exist is NotFound, of that directory", function* () {
    const cwd = "/effect-exec/no/such/directory"
    const { reason } = yield* failsWith(ChildProcess.make("pwd", [], { cwd }), "NotFound")
    assert.strictEqual(reason.module, "FileSystem")
    assert.strictEqual(reason._tag === "BadArgument" ? undefined : reason.pathOrDescriptor, cwd)
  }),
  test("a cwd below a file is BadResource", function* () {
    const cwd = "/etc/passwd/directory"
    const { reason } = yield* failsWith(ChildProcess.make("pwd", [], { cwd }), "BadResource")
    assert.deepInclude(reason, { module: "FileSystem", method: "access", pathOrDescriptor: cwd })
  }),
  test("shell runs the command as a script", function* () {
    assert.strictEqual(yield* output(ChildProcess.make("echo a | tr a b; echo $0", { shell: true })), "b\n/bin/sh\n")
    assert.strictEqual(yield* output(ChildProcess.make({ shell: "/bin/sh" })`echo "it's" | wc -l | tr -d ' '`), "1\n")
    assert.strictEqual(yield* output(ChildProcess.make("echo", ["$HOME"], { shell: false })), "$HOME\n")
    assert.strictEqual(yield* use((spawner) => spawner.exitCode(ChildProcess.make("true", { shell: "" }))), 0)
  }),
  test("a shell that does not exist is NotFound, and the error shows it and the script", function* () {
    const { reason } = yield* failsWith(ChildProcess.make("echo a", { shell: "/no/such/shell" }), "NotFound")
    assert.deepInclude(reason, { method: "spawn", syscall: "spawn /no/such/shell", pathOrDescriptor: "'echo a'" })
  }),
  test("shell with arguments is BadArgument", function* () {
    yield* failsWith(ChildProcess.make("echo", ["a"], { shell: true }), "BadArgument")
  }),
  test("a program that does not exist is NotFound, and the error shows the command", function* () {
    const { reason } = yield* failsWith(ChildProcess.make(unknown, ["a b"]), "NotFound")
    if (reason._tag === "BadArgument") return assert.fail()
    assert.strictEqual(reason.module, "ChildProcess")
    assert.strictEqual(reason.method, "spawn")
    assert.strictEqual(reason.syscall, `spawn ${unknown}`)
    assert.strictEqual(reason.pathOrDescriptor, `${unknown} 'a b'`)
  }),
  test("what may not be executed is PermissionDenied", function* () {
    const { reason } = yield* failsWith(ChildProcess.make(notExecutable), "PermissionDenied")
    assert.strictEqual(reason.module, "ChildProcess")
  }),
  test("a shell that does not know a word of its script is an ordinary exit 127", function* () {
    assert.strictEqual(yield* use((spawner) => spawner.exitCode(ChildProcess.make(unknown, { shell: true }))), 127)
  }),
  ...[
    ChildProcess.make("tr\0ue"),
    ChildProcess.make("true", ["a", "\0"]),
    ChildProcess.make("true", [], { env: { GIVEN: "\0" } })
  ].map((command, index) =>
    test(`a NUL in ${["the program", "an argument", "a variable"][index]} is BadArgument`, function* () {
      yield* Effect.asVoid(failsWith(command, "BadArgument"))
    })
  )
]
