import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Duration, Effect, Redacted, Schema, Stream } from "effect"
import { Command, Exec, ExecError, ExecResult, ExitStatus, ProcessId, Signal } from "effect-exec"

describe("Command", () => {
  it("C1 make keeps every argument as it is", () => {
    assert.deepStrictEqual(Command.make("p", ["a b", "$x", "'", "\n", "€"]).argv, ["p", "a b", "$x", "'", "\n", "€"])
  })

  it("C2 shell and python are argv forms", () => {
    assert.deepStrictEqual(Command.shell("a | b").argv, ["/bin/sh", "-c", "a | b"])
    assert.deepStrictEqual(Command.python("print(1)", { cwd: "/x" }), {
      cwd: "/x",
      argv: ["python3", "-c", "print(1)"]
    })
  })

  it("C2 the template form quotes every interpolation, one word per element of an array", () => {
    const [, , script] = Command.shell`echo ${"$(rm -rf ~); `x`"} ${"it's"} ${1} ${["a b", 2]}`.argv
    assert.strictEqual(script, "echo '$(rm -rf ~); `x`' 'it'\\''s' 1 'a b' 2")
    assert.strictEqual(Command.shell`echo ${""} ${[]}`.argv[2], "echo '' ")
    // Backslashes belong to the shell.
    assert.strictEqual(Command.shell`printf 'a\n'`.argv[2], "printf 'a\\n'")
  })
})

describe("Signal", () => {
  it("C42 every signal has one name and one number", () => {
    for (let number = 1; number <= 64; number++) {
      const signal = Signal.fromNumber(number)
      assert.isDefined(signal)
      assert.strictEqual(Signal.toNumber(signal), number)
      assert.strictEqual(Signal.parse(signal), signal)
      assert.strictEqual(Signal.parse(number), signal)
    }
    assert.strictEqual(Signal.named.length, 31)
  })

  it("C42 what is no signal is none, never another one", () => {
    for (const wrong of [0, -1, 65, 9.5, Number.NaN, "TERM", "sigterm", "SIG", "", "15", "SIG65", "toString"]) {
      assert.isUndefined(Signal.parse(wrong), String(wrong))
    }
  })
})

describe("ExitStatus", () => {
  it("C10 one number for both, as shells say it", () => {
    assert.strictEqual(ExitStatus.toCode(ExitStatus.exited(3)), 3)
    assert.strictEqual(ExitStatus.toCode(ExitStatus.signaled("SIGTERM")), 143)
    assert.strictEqual(ExitStatus.toCode(ExitStatus.signaled("SIG34")), 162)
  })

  it("formats for people", () => {
    assert.strictEqual(ExitStatus.format(ExitStatus.exited(0)), "exit 0")
    assert.strictEqual(
      ExitStatus.format({ _tag: "Signaled", signal: "SIGKILL", cause: "oom" }),
      "SIGKILL (out of memory)"
    )
  })
})

describe("ProcessId", () => {
  it("C41 an id is never read as a pid", () => {
    assert.isFalse(ProcessId.isProcessId("1234"))
    assert.isFalse(ProcessId.isProcessId(""))
    assert.isFalse(ProcessId.isProcessId("a b"))
    assert.isTrue(ProcessId.isProcessId("job:2026-11-22.1"))
  })
})

const detail = { backend: "test", code: "E", text: "words" }
const reasons: Record<ExecError.Reason["_tag"], readonly [ExecError.Reason, isRetryable: boolean]> = {
  InvalidCommand: [new ExecError.InvalidCommand({ field: "argv[1]", problem: "NUL" }), false],
  CommandNotFound: [new ExecError.CommandNotFound({ program: "p", detail }), false],
  PermissionDenied: [new ExecError.PermissionDenied({ program: "p" }), false],
  CwdNotFound: [new ExecError.CwdNotFound({ cwd: "/c" }), false],
  UserNotFound: [new ExecError.UserNotFound({ user: "u" }), false],
  StartFailed: [new ExecError.StartFailed({ program: "p", detail: { backend: "test", code: "EAGAIN" } }), true],
  Unsupported: [new ExecError.Unsupported({ feature: "tty" }), false],
  BackendUnavailable: [new ExecError.BackendUnavailable({ backend: "b", hint: "Start it." }), true],
  LimitReached: [new ExecError.LimitReached({ limit: "processes" }), true],
  ConnectionLost: [new ExecError.ConnectionLost({ started: true }), false],
  ProtocolViolation: [new ExecError.ProtocolViolation({ problem: "p" }), false],
  SandboxNotFound: [new ExecError.SandboxNotFound({ sandbox: "s" }), false],
  SandboxNotRunning: [new ExecError.SandboxNotRunning({ sandbox: "s", state: "paused" }), true],
  ProcessNotFound: [new ExecError.ProcessNotFound({ selector: "s" }), false],
  ProcessExited: [new ExecError.ProcessExited({ id: "i" }), false],
  TagInUse: [new ExecError.TagInUse({ tag: "t" }), false],
  WaitTimedOut: [new ExecError.WaitTimedOut({ id: "i", after: Duration.seconds(1) }), false],
  KillFailed: [new ExecError.KillFailed({ id: "i" }), false],
  StdinFailed: [new ExecError.StdinFailed({ id: "i" }), false],
  Closed: [new ExecError.Closed({ what: "ring buffer" }), false],
  SubscriberLagged: [new ExecError.SubscriberLagged({ processes: 3 }), false]
}

describe("ExecError", () => {
  const codec = Schema.toCodecJson(ExecError.ExecError)
  for (const [tag, [reason, isRetryable]] of Object.entries(reasons)) {
    it(`C63 ${tag} says one sentence, whether to retry, and survives JSON`, () => {
      const error = ExecError.make(reason)
      assert.match(error.message, /^[A-Z].{8,}$/)
      assert.strictEqual(error.isRetryable, isRetryable)
      const copy = Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(error))))
      assert.instanceOf(copy, ExecError.ExecError)
      assert.deepStrictEqual(copy.reason, reason)
      assert.strictEqual(copy.message, error.message)
      assert.strictEqual(copy.isRetryable, isRetryable)
    })
  }

  it("C63 what was not started for want of something that comes back may be retried, what is too big may not", () => {
    const startFailed = (code: string) => new ExecError.StartFailed({ program: "p", detail: { backend: "b", code } })
    assert.deepStrictEqual(
      ["EAGAIN", "ENOMEM", "E2BIG", "ENOEXEC"].map((code) => startFailed(code).isRetryable),
      [true, true, false, false]
    )
    assert.isTrue(new ExecError.ConnectionLost({ started: false }).isRetryable)
  })
})

describe("ExecResult", () => {
  const result = new ExecResult.ExecResult({
    pid: 7,
    status: ExitStatus.signaled("SIGKILL"),
    stdoutBytes: Uint8Array.from([0x61, 0xff]),
    stderrBytes: new Uint8Array(0),
    duration: Duration.nanos(1_234_567n),
    endedBy: "timeout",
    truncated: false,
    incomplete: false
  })

  it("C10 derives text, exit code and verdict", () => {
    assert.strictEqual(result.stdout, "a\uFFFD")
    assert.strictEqual(result.exitCode, 137)
    assert.isTrue(result.timedOut)
    assert.isFalse(result.ok)
    const graceful = new ExecResult.ExecResult({ ...result, status: ExitStatus.exited(0) })
    assert.isFalse(graceful.ok, "exit 0 after a timeout is not ok")
  })

  it("C11 CommandFailed carries the whole result through JSON", () => {
    const codec = Schema.toCodecJson(ExecResult.CommandFailed)
    const error = new ExecResult.CommandFailed({ result })
    const copy = Schema.decodeUnknownSync(codec)(JSON.parse(JSON.stringify(Schema.encodeSync(codec)(error))))
    assert.deepStrictEqual(copy.result, result)
    assert.strictEqual(copy.message, "The command ended with a timeout")
  })

  it("C3 a secret is not in what is printed of a command", () => {
    const command = Command.make("p", [], { env: { TOKEN: Redacted.make("s3cret") } })
    assert.notInclude(`${JSON.stringify(command)} ${String(command.env?.["TOKEN"])}`, "s3cret")
  })
})

describe("types", () => {
  it("what commands side by side fail with is known, also what their stdin does", () => {
    const command = Command.make("p")
    const two = Effect.all([Exec.run(command), Exec.Exec.use((exec) => exec.run(command))])
    expectTypeOf(two).toEqualTypeOf<
      Effect.Effect<[ExecResult.ExecResult, ExecResult.ExecResult], ExecError.ExecError, Exec.Exec>
    >()
    const failing = Effect.all([Exec.run(command, { stdin: Stream.fail("the source" as const) })])
    expectTypeOf(failing).toEqualTypeOf<
      Effect.Effect<[ExecResult.ExecResult], ExecError.ExecError | "the source", Exec.Exec>
    >()
  })
})
