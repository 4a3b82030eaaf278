/** What can go wrong with a Wrenn service, and the reason that it becomes: every documented error, and every way a wire ends. */
import { setImmediate } from "node:timers/promises"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { assert, describe, it } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import type * as ExecError from "effect-exec/ExecError"
import type { ExecEvent } from "effect-exec/ExecEvent"
import * as ExitStatus from "effect-exec/ExitStatus"
import { WrennClient } from "../src/WrennClient.ts"
import { clientOf, connect, failsWith, gone, reasonOf, until } from "./wrenn.ts"
import { envelope, type Fault, generations, make } from "./wrennService.ts"

type Tag = ExecError.Reason["_tag"]

// Where a command was to start, and where there is none: what the service says, and what that means.
const documented: Readonly<
  Record<"0.1" | "0.2", ReadonlyArray<readonly [status: number, code: string, text: string, start: Tag, other: Tag]>>
> = {
  "0.1": [
    [400, "invalid_request", "invalid JSON body", "InvalidCommand", "InvalidCommand"],
    [400, "invalid_request", "cmd is required", "InvalidCommand", "InvalidCommand"],
    [400, "invalid_request", "invalid sandbox ID", "InvalidCommand", "InvalidCommand"],
    [401, "unauthorized", "X-API-Key or Authorization: Bearer <token> required", ...both("BackendUnavailable")],
    [403, "forbidden", "permission denied", ...both("BackendUnavailable")],
    [404, "not_found", "sandbox not found", ...both("SandboxNotFound")],
    [408, "timeout", "the body did not come within 10000 ms", ...both("BackendUnavailable")],
    [409, "invalid_state", "sandbox is not running (status: paused)", ...both("SandboxNotRunning")],
    [409, "conflict", "already exists", "TagInUse", "BackendUnavailable"],
    [413, "too_large", "file exceeds 100 MB limit", ...both("InvalidCommand")],
    [500, "db_error", "it has one", "ConnectionLost", "BackendUnavailable"],
    [501, "agent_error", "unimplemented", ...both("Unsupported")],
    [502, "agent_error", "internal: fork: resource temporarily unavailable", "StartFailed", "BackendUnavailable"],
    [502, "agent_error", "internal: exec: stream error: deadline_exceeded", "ConnectionLost", "BackendUnavailable"],
    [503, "host_unavailable", "sandbox host is not reachable", ...both("BackendUnavailable")],
    [503, "no_hosts_available", "no hosts available", ...both("LimitReached")]
  ],
  "0.2": [
    [400, "invalid_request", "The request is invalid.", ...both("InvalidCommand")],
    [400, "validation_failed", "One or more fields are invalid.", ...both("InvalidCommand")],
    [401, "auth_invalid_api_key", "Invalid API key.", ...both("BackendUnavailable")],
    [401, "auth_session_required", "A valid session or API key is required.", ...both("BackendUnavailable")],
    [403, "auth_account_disabled", "Your account has been deactivated.", ...both("BackendUnavailable")],
    [404, "sandbox_not_found", "Sandbox not found.", ...both("SandboxNotFound")],
    [404, "template_not_found", "Template not found.", ...both("InvalidCommand")],
    [409, "sandbox_not_running", "Sandbox is not running.", ...both("SandboxNotRunning")],
    [409, "sandbox_not_paused", "Sandbox is not paused.", ...both("SandboxNotRunning")],
    [409, "conflict", "The request conflicts with the current state.", "TagInUse", "BackendUnavailable"],
    [413, "payload_too_large", "The request payload is too large.", ...both("InvalidCommand")],
    [429, "rate_limited", "Too many requests.", ...both("LimitReached")],
    [500, "internal_error", "Something went wrong on our end.", "ConnectionLost", "BackendUnavailable"],
    [501, "not_implemented", "This operation is not supported.", ...both("Unsupported")],
    [502, "host_unreachable", "Could not reach the sandbox's host.", "ConnectionLost", "BackendUnavailable"],
    [502, "sandbox_unresponsive", "The sandbox is not responding.", "ConnectionLost", "BackendUnavailable"],
    [503, "capacity_unavailable", "No hosts currently have capacity.", ...both("LimitReached")],
    [503, "host_draining", "The host is shutting down.", ...both("BackendUnavailable")],
    [503, "service_unavailable", "The service is temporarily unavailable.", ...both("BackendUnavailable")],
    [504, "timeout", "The operation timed out.", "ConnectionLost", "BackendUnavailable"]
  ]
}

function both(tag: Tag): [Tag, Tag] {
  return [tag, tag]
}

const sleep = Command.make("sleep", ["300"])

for (const generation of generations) {
  const served = Effect.gen(function* () {
    const service = yield* make(generation)
    return { service, exec: yield* connect(service) }
  })
  describe(`failures of a Wrenn service ${generation}`, () => {
    it.live("every documented error has its reason, and only what did not start may be tried again", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        yield* Effect.forEach(documented[generation], ([status, code, text, start, other]) =>
          Effect.gen(function* () {
            const fault: Fault = { status, body: envelope(generation, code, text, { status: "paused" }) }
            service.instead("POST /exec", fault)
            const reason = yield* reasonOf(exec.detach(sleep))
            service.instead("GET /processes", fault)
            const listed = yield* reasonOf(exec.list())
            assert.deepStrictEqual([reason._tag, listed._tag], [start, other], `${status} ${code}: ${text}`)
            assert.include(
              reason.message,
              reason._tag === "TagInUse" || reason._tag === "SandboxNotRunning" ? "" : text
            )
            assert.deepStrictEqual([reason.detail?.code, reason.detail?.text], [code, text])
            if (reason._tag === "SandboxNotRunning") assert.strictEqual(reason.state, "paused")
            const unknown = new Set<Tag>(["ConnectionLost", "StartFailed", "InvalidCommand", "TagInUse"])
            if (unknown.has(reason._tag)) assert.isFalse(reason.isRetryable)
          })
        )
        // A gateway in between says it in its own words, or in none.
        service.instead("POST /exec", { status: 502, body: "<html>" })
        yield* failsWith(exec.detach(sleep), "ConnectionLost")
        service.instead("GET /processes", { status: 404 })
        yield* failsWith(exec.list(), "BackendUnavailable")
        assert.strictEqual(service.processes.size, 0)
      })
    )

    it.live("a capsule that is not there, or does not run, or a key that is not taken, is that, whoever asks", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const nowhere = yield* connect(service, "cl-nowhere")
        for (const asked of [nowhere.run(sleep), nowhere.detach(sleep), nowhere.list(), nowhere.get("x")]) {
          yield* failsWith(asked, "SandboxNotFound")
        }
        yield* failsWith(nowhere.capabilities, "SandboxNotFound")
        service.statuses.set(service.capsule, "paused")
        for (const asked of [exec.run(sleep), exec.detach(sleep), exec.list(), exec.capabilities]) {
          const { sandbox, state } = yield* failsWith(asked, "SandboxNotRunning")
          assert.deepStrictEqual([sandbox, state], [service.capsule, "paused"])
        }
        service.statuses.set(service.capsule, "running")
        const stranger = yield* Effect.flatMap(WrennClient, (client) => client.exec(service.capsule)).pipe(
          Effect.provide(clientOf(service, "wrn_wrong"))
        )
        const { hint } = yield* failsWith(stranger.list(), "BackendUnavailable")
        assert.include(hint, "API key")
        yield* failsWith(stranger.run(sleep), "BackendUnavailable")
        yield* failsWith(stranger.detach(sleep), "BackendUnavailable")
        assert.strictEqual(service.processes.size, 0)
      })
    )

    it.live(
      "nobody who listens is BackendUnavailable; a cut or a silence while something starts is ConnectionLost",
      () =>
        Effect.gen(function* () {
          const { exec, service } = yield* served
          service.instead("POST /exec", "cut")
          assert.isTrue((yield* failsWith(exec.detach(sleep), "ConnectionLost")).started)
          service.instead("POST /exec", { status: 202, body: { nonsense: true } })
          yield* failsWith(exec.detach(sleep), "ConnectionLost")
          service.instead("GET /processes", "cut")
          yield* failsWith(exec.list(), "BackendUnavailable")
          service.instead("GET /processes", { status: 200, body: "nonsense" })
          yield* failsWith(exec.list(), "BackendUnavailable")
          service.instead("WS /exec/stream", { status: 404 })
          yield* failsWith(exec.run(sleep), "BackendUnavailable")
          service.instead("WS /exec/stream", "cut")
          yield* failsWith(exec.run(sleep), "BackendUnavailable")
          const ended = Effect.map(make(generation), ({ capsule, url }) => ({ capsule, generation, url }))
          const closed = yield* connect(yield* Effect.scoped(ended))
          for (const asked of [closed.run(sleep), closed.detach(sleep), closed.list()]) {
            yield* failsWith(asked, "BackendUnavailable")
          }
          assert.isTrue((yield* exec.run(Command.make("true"))).ok)
        })
    )

    it.effect("who does not answer is given up after 30 s; a start that he may have made is not tried again", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const patient = <A, E>(route: string, asking: Effect.Effect<A, E>, tag: Tag) =>
          Effect.gen(function* () {
            service.instead(route, "hang")
            const before = service.bodies(route).length
            const asked = yield* Effect.forkChild(failsWith(asking, tag))
            while (service.bodies(route).length === before) yield* Effect.promise(() => setImmediate())
            yield* TestClock.adjust("29 seconds")
            assert.isUndefined(asked.pollUnsafe())
            yield* TestClock.adjust("1 second")
            yield* Fiber.join(asked)
          })
        yield* patient("GET /processes", exec.list(), "BackendUnavailable")
        yield* patient("POST /exec", exec.detach(sleep), "ConnectionLost")
      })
    )

    it.live("what a socket says first instead of a start is its reason, too", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const words: ReadonlyArray<readonly [text: string, tag: Tag]> = [
          ["authentication failed", "BackendUnavailable"],
          ["sandbox not found", "SandboxNotFound"],
          ["sandbox is not running (status: hibernated)", "SandboxNotRunning"],
          ["sandbox host is not reachable", "BackendUnavailable"],
          ["first message must be type 'start' with a 'cmd' field", "InvalidCommand"],
          ["failed to start exec stream: internal: no memory", "StartFailed"]
        ]
        yield* Effect.forEach(words, ([text, tag]) => {
          service.instead("WS /exec/stream", { frames: [{ type: "error", data: text }], end: "cut" })
          return Effect.map(reasonOf(exec.run(sleep)), (reason) => {
            assert.strictEqual(reason._tag, tag, text)
            assert.strictEqual(reason.detail?.text, text)
          })
        })
        const found = yield* exec.detach(sleep)
        const other = yield* connect(service)
        service.instead("WS /processes/PID/stream", {
          frames: [{ type: "error", data: "failed to connect to process: not_found: process not found" }],
          end: "cut"
        })
        yield* failsWith(other.get(found.pid), "ProcessNotFound")
        yield* other.kill(found.pid, { grace: 0 })
      })
    )

    const start = { type: "start", pid: 999_999_999 }
    const ok = { type: "stderr", data: "MARKok\n" }

    it.live("a socket that ends before the exit is ConnectionLost, after all that did arrive; however it ends", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const collect = (frames: ReadonlyArray<unknown>, end: "close" | "cut") => {
          service.instead("WS /exec/stream", { frames, end })
          const seen: Array<string> = []
          const note = (event: ExecEvent) =>
            Effect.sync(() => {
              seen.push(event._tag === "Stdout" ? Buffer.from(event.bytes).toString() : event._tag)
            })
          return Effect.map(
            failsWith(Stream.runForEach(exec.stream(sleep, { grace: 0 }), note), "ConnectionLost"),
            ({ isRetryable, started }) => ({ seen, started, isRetryable })
          )
        }
        for (const end of ["close", "cut"] as const) {
          const after = yield* collect([start, ok, { type: "stdout", data: "some" }], end)
          assert.deepStrictEqual(after, { seen: ["Started", "some"], started: true, isRetryable: false })
          // It was asked to start: it may have.
          for (const frames of [[], [start]]) {
            assert.deepStrictEqual(yield* collect(frames, end), { seen: [], started: true, isRetryable: false })
          }
        }
        const words = yield* collect([start, ok, { type: "error", data: "sandbox not found" }], "cut")
        assert.deepStrictEqual(words, { seen: ["Started"], started: true, isRetryable: false })
      })
    )

    it.live("an end that is not told in full is not made up", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const run = (...frames: ReadonlyArray<unknown>) => {
          service.instead("WS /exec/stream", { frames, end: "cut" })
          return exec.run(sleep, { grace: 0, lingering: "leave" })
        }
        const { started } = yield* failsWith(run(start, ok, { type: "exit", exit_code: -1 }), "ConnectionLost")
        assert.isTrue(started)
        yield* failsWith(run(start, ok, { type: "exit" }), "ProtocolViolation")
        // The shell that was to become the command.
        const failed = yield* failsWith(
          run(start, { type: "stderr", data: "sh: setsid: é" }, { type: "exit", exit_code: 127 }),
          "StartFailed"
        )
        assert.deepStrictEqual([failed.detail.code, failed.detail.text], ["127", "sh: setsid: é"])
        const endless = Array.from({ length: 10 }, () => ({ type: "stderr", data: "x".repeat(1_000) }))
        yield* failsWith(run(start, ...endless), "StartFailed")
        // A server that says more is believed.
        const named = yield* run(start, ok, { type: "exit", exit_code: -1, signal: "SIGSEGV" })
        assert.deepStrictEqual(named.status, ExitStatus.signaled("SIGSEGV"))
      })
    )

    it.live(
      "what is no event is passed over; fields may be missing; the mark may come in pieces, beside other bytes",
      () =>
        Effect.gen(function* () {
          const { exec, service } = yield* served
          const binary = Buffer.from([0x80, 0xff])
          service.instead("WS /exec/stream", {
            frames: [
              { type: "keepalive" },
              "no JSON",
              "[]",
              new Uint8Array([1, 2, 3]),
              { type: "start", pid: 999_999_999, tag: "more" },
              { type: "stdout" },
              { type: "stdout", data: "early" },
              { type: "stderr", data: "before" },
              { type: "stderr", data: "MARK" },
              { type: "stderr", data: "o" },
              {
                type: "stderr",
                data: "k\n\uFFFD\uFFFD",
                bytes: Buffer.concat([Buffer.from("k\n"), binary]).toString("base64")
              },
              { type: "stdout", data: "late" },
              { type: "exit", exit_code: 0, more: {} }
            ],
            end: "cut"
          })
          const result = yield* exec.run(sleep, { lingering: "leave" })
          assert.strictEqual(result.stdout, "earlylate")
          assert.deepStrictEqual(Buffer.from(result.stderrBytes), Buffer.concat([Buffer.from("before"), binary]))
        })
    )

    it.live("a connection that is cut takes what is attached with it, and leaves what is detached", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        const detached = yield* exec.detach(sleep)
        const attached = yield* Effect.forkChild(exec.run(sleep, { grace: 0 }))
        yield* until(Effect.sync(() => service.processes.size === 2))
        const pid = [...service.processes.keys()].find((pid) => pid !== detached.pid) ?? 0
        service.cut()
        yield* failsWith(Fiber.join(attached), "ConnectionLost")
        yield* failsWith(detached.wait(), "ConnectionLost")
        yield* gone(pid)
        assert.isTrue(service.processes.has(detached.pid))
        yield* exec.kill(detached.tag, { grace: 0 })
        yield* gone(detached.pid)
      })
    )

    it.live("what has started though its socket was cut before it could say so is found by its mark, and ended", () =>
      Effect.gen(function* () {
        const { exec, service } = yield* served
        service.processes.set = function (pid, process) {
          // The first one: its client hears nothing of it.
          delete (this as { set?: unknown }).set
          this.set(pid, process)
          service.cut()
          return this
        }
        const running = yield* Effect.forkChild(exec.run(sleep, { grace: 0 }))
        yield* until(Effect.sync(() => service.processes.size === 1))
        const [pid = 0] = service.processes.keys()
        assert.isTrue((yield* failsWith(Fiber.join(running), "ConnectionLost")).started)
        yield* gone(pid)
      })
    )
  })
}
