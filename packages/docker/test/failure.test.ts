/** From what engines answer, word by word, to the reason why. */
import { assert, describe, it } from "@effect/vitest"
import type { ExecError } from "effect-exec"
import { failure } from "../src/internal/failure.ts"

const reasonOf = (sandbox: string | undefined, status: number | undefined, text: string, code?: string) =>
  failure({ host: "unix:///s", sandbox }, { status, code, text }).reason

type Row = readonly [status: number, words: string, tag: ExecError.Reason["_tag"], more?: Record<string, unknown>]

const id = "e1c3a6cd65085e4a4a516ec7fc184050e63cbf12233a5cc6adc4a66bf89871ba"

// As engines of the versions 20.10 and 26.1 say it.
const answers: ReadonlyArray<Row> = [
  [404, `No such container: ${id}`, "SandboxNotFound", { sandbox: "s" }],
  [404, "no such image: nope: No such image: nope:latest", "SandboxNotFound"],
  [404, "No such image: nope:1", "SandboxNotFound"],
  [404, `No such exec instance: ${id}`, "SandboxNotRunning", { state: "stopped" }],
  [404, "page not found", "BackendUnavailable"],
  [409, `Container ${id} is not running`, "SandboxNotRunning", { state: "stopped" }],
  [409, `Cannot kill container: ${id}: Container ${id} is not running`, "SandboxNotRunning", { state: "stopped" }],
  [409, `Container ${id} is paused, unpause the container before exec`, "SandboxNotRunning", { state: "paused" }],
  [409, `container ${id} is paused, unpause the container before attach`, "SandboxNotRunning", { state: "paused" }],
  [409, "cannot start a paused container, try unpause instead", "SandboxNotRunning", { state: "paused" }],
  [
    409,
    `Container ${id} is restarting, wait until the container is running`,
    "SandboxNotRunning",
    { state: "restarting" }
  ],
  [409, `removal of container ${id} is already in progress`, "SandboxNotRunning", { state: "removing" }],
  [409, "Container is marked for removal and cannot be started.", "SandboxNotRunning", { state: "removing" }],
  [
    409,
    `Conflict. The container name "/paused" is already in use by container "${id}". You have to remove (or rename) that container to be able to reuse that name.`,
    "StartFailed",
    { isRetryable: false }
  ],
  [400, "client version 1.99 is too new. Maximum supported API version is 1.41", "BackendUnavailable"],
  [400, "client version 1.1 is too old. Minimum supported API version is 1.12, please upgrade …", "BackendUnavailable"],
  [400, "Client sent an HTTP request to an HTTPS server.", "BackendUnavailable"],
  [400, "invalid reference format: repository name must be lowercase", "StartFailed"],
  [400, "No exec command specified", "StartFailed"],
  [400, "Minimum memory limit allowed is 6MB", "StartFailed"],
  [400, 'invalid mount config for type "bind": bind source path does not exist: /nope/x', "StartFailed"],
  [400, 'invalid CapAdd: unknown capability: "CAP_NOPE"', "StartFailed"],
  [400, 'OCI runtime create failed: … exec: "/nope": stat /nope: no such file or directory: unknown', "StartFailed"],
  [500, "unable to find user nobodyx: no matching entries in passwd file", "UserNotFound", { user: "nobodyx" }],
  [500, "unable to find group g: no matching entries in group file", "UserNotFound", { user: "g" }],
  [500, "write /sandbox/x: no space left on device", "StartFailed", { isRetryable: false }],
  [401, "authentication required", "BackendUnavailable"],
  [403, "authorization denied by plugin", "BackendUnavailable"],
  [502, "Bad Gateway", "BackendUnavailable", { isRetryable: true }],
  [503, "", "BackendUnavailable"],
  [504, "", "BackendUnavailable"]
]

// What Node says of the connection, and a word of the hint.
const problems: ReadonlyArray<readonly [code: string, hint: RegExp]> = [
  ["ENOENT", /start it/],
  ["ECONNREFUSED", /start it/],
  ["EACCES", /group docker/],
  ["EPERM", /group docker/],
  ["ENOTFOUND", /check its name/],
  ["EAI_AGAIN", /looked up/],
  ["EHOSTUNREACH", /no way/],
  ["ETIMEDOUT", /in time/],
  ["ECONNRESET", /DOCKER_HOST/],
  ["EPIPE", /DOCKER_HOST/],
  ["SELF_SIGNED_CERT_IN_CHAIN", /ca\.pem/],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", /ca\.pem/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", /ca\.pem/],
  ["ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED", /refuses this client/],
  ["ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE", /refuses this client/],
  ["ERR_SSL_TLSV1_ALERT_UNKNOWN_CA", /refuses this client/],
  ["ERR_SSL_WRONG_VERSION_NUMBER", /speaks TLS/],
  ["HPE_INVALID_CONSTANT", /speaks TLS/]
]

describe("what engines answer", () => {
  for (const [status, words, tag, more = {}] of answers) {
    it(`${status} ${words || "without words"} is ${tag}`, () => {
      const reason = reasonOf("s", status, words)
      assert.deepInclude({ ...reason, isRetryable: reason.isRetryable }, { _tag: tag, ...more })
      assert.include(reason.detail?.text, words)
      assert.strictEqual(reason.detail?.code, String(status))
    })
  }

  for (const [code, hint] of problems) {
    it(`${code} says what to do`, () => {
      const reason = reasonOf("s", undefined, "words", code)
      assert.strictEqual(reason._tag, "BackendUnavailable")
      assert.match(reason.message, hint)
      assert.strictEqual(reason.detail?.code, code)
    })
  }

  it("of the engine itself nothing is ever missing: then it is none", () => {
    const reason = reasonOf(undefined, 404, "<html>nginx</html>")
    assert.strictEqual(reason._tag, "BackendUnavailable")
    assert.match(reason.message, /no Docker engine/)
  })
})
