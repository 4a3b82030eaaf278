import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { ExecError } from "effect-exec"

const detail = { backend: "test", code: "E42", text: "the backend's own words" }
const code = (code: string) => new ExecError.StartFailed({ program: "p", detail: { backend: "test", code } })

/** Every reason, and whether trying again is safe and makes sense: only where nothing can have started. */
const reasons: ReadonlyArray<readonly [ExecError.Reason, isRetryable: boolean]> = [
  [new ExecError.InvalidCommand({ field: "argv[1]", problem: "it contains a NUL byte", detail }), false],
  [new ExecError.CommandNotFound({ program: "p", detail }), false],
  [new ExecError.PermissionDenied({ program: "p", detail }), false],
  [new ExecError.CwdNotFound({ cwd: "/x", detail }), false],
  [new ExecError.UserNotFound({ user: "u", detail }), false],
  [code("E2BIG"), false],
  [new ExecError.StartFailed({ program: "p", detail: { backend: "test" } }), false],
  [code("EAGAIN"), true],
  [code("EMFILE"), true],
  [code("ENOMEM"), true],
  [new ExecError.Unsupported({ feature: "tty", detail }), false],
  [new ExecError.BackendUnavailable({ backend: "docker", hint: "Start it.", detail }), true],
  [new ExecError.LimitReached({ limit: "100 processes", detail }), true],
  [new ExecError.ConnectionLost({ started: false, detail }), true],
  [new ExecError.ConnectionLost({ started: true, detail }), false],
  [new ExecError.ProtocolViolation({ problem: "an unknown frame", detail }), false],
  [new ExecError.SandboxNotFound({ sandbox: "s", detail }), false],
  [new ExecError.SandboxNotRunning({ sandbox: "s", state: "paused", detail }), true],
  [new ExecError.SandboxNotRunning({ sandbox: "s", state: "paused", mayHaveStarted: true, detail }), false],
  [new ExecError.ProcessNotFound({ selector: "s", detail }), false],
  [new ExecError.ProcessExited({ id: "i", detail }), false],
  [new ExecError.TagInUse({ tag: "t", detail }), false],
  [new ExecError.WaitTimedOut({ id: "i", after: Duration.seconds(3), detail }), false],
  [new ExecError.KillFailed({ id: "i", detail }), false],
  [new ExecError.StdinFailed({ id: "i", detail }), false],
  [new ExecError.Closed({ what: "The layer", detail }), false],
  [new ExecError.SubscriberLagged({ processes: 3, detail }), false]
]

describe("C63 each reason", () => {
  const json = Schema.toCodecJson(ExecError.ExecError)

  it("is in this table", () => {
    const known = ExecError.Reason.members.map((member) => member.identifier)
    assert.sameMembers([...new Set(reasons.map(([reason]) => reason._tag))], known)
  })

  for (const [reason, isRetryable] of reasons) {
    const error = ExecError.make(reason)

    it(`${reason._tag} (${error.message}) says that it is ${isRetryable ? "" : "not "}retryable, and survives JSON`, () => {
      assert.strictEqual(error.isRetryable, isRetryable)
      assert.notInclude(error.message, "undefined")
      assert.isAbove(error.message.length, 10)
      const back = Schema.decodeUnknownSync(json)(JSON.parse(JSON.stringify(Schema.encodeSync(json)(error))))
      assert.isTrue(ExecError.isExecError(back))
      assert.strictEqual(back.reason._tag, reason._tag)
      assert.strictEqual(back.message, error.message)
      assert.strictEqual(back.isRetryable, isRetryable)
      assert.deepStrictEqual({ ...back.reason }, { ...reason })
    })
  }
})
