/** Wrenn's API over WebSockets: each frame in both directions, as on the wire. */
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { assert, describe, it } from "@effect/vitest"
import { key, serving } from "./wrenn.ts"

const shell = (script: string) => ({ type: "start", cmd: "/bin/sh", args: ["-c", script] })
const base64 = (text: string) => Buffer.from(text).toString("base64")

describe("Wrenn's capsules over WebSockets", () => {
  it.live("exec/stream: start, stdout, stderr, exit, and a proper close", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving()
      const { all, say } = yield* open(`${at}/exec/stream`)
      yield* say(shell("echo hi; sleep 0.1; echo e >&2; exit 3"))
      const [start, ...rest] = yield* all
      assert.deepStrictEqual(Object.keys(start), ["type", "pid"])
      assert.isAbove(start.pid, 0)
      assert.deepStrictEqual(rest, [
        { type: "stdout", data: "hi\n" },
        { type: "stderr", data: "e\n" },
        { type: "exit", exit_code: 3 }
      ])
    })
  )

  it.live("an exit code of 0 is said; args may be missing; a signal is -1, and its name", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving()
      const plain = yield* open(`${at}/exec/stream`)
      yield* plain.say({ type: "start", cmd: "true" })
      assert.deepStrictEqual((yield* plain.all).slice(1), [{ type: "exit", exit_code: 0 }])
      const killed = yield* open(`${at}/exec/stream`)
      yield* killed.say(shell("kill -9 $$"))
      assert.deepStrictEqual((yield* killed.all).slice(1), [{ type: "exit", exit_code: -1, signal: "SIGKILL" }])
    })
  )

  it.live("text is held until its characters are whole; bytes that are no text are there beside it", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving()
      const { all, say } = yield* open(`${at}/exec/stream`)
      yield* say(
        shell("printf 'a\\303'; sleep 0.1; printf '\\251'; sleep 0.1; printf '\\377b'; sleep 0.1; printf '\\342\\202'")
      )
      assert.deepStrictEqual((yield* all).slice(1), [
        { type: "stdout", data: "a" },
        { type: "stdout", data: "é" },
        { type: "stdout", data: "\uFFFDb", bytes: "/2I=" },
        { type: "stdout", data: "\uFFFD", bytes: "4oI=" },
        { type: "exit", exit_code: 0 }
      ])
    })
  )

  it.live("stop ends the process, without an exit; who just goes leaves it running, to be found again", () =>
    Effect.gen(function* () {
      const { ask, at, open } = yield* serving()
      const running = Effect.map(ask("GET", `${at}/processes`), ({ body }) => body.processes.length)
      const stopped = yield* open(`${at}/exec/stream`)
      yield* stopped.say(shell("echo ready; sleep 300"))
      yield* stopped.sees("ready")
      yield* stopped.say({ type: "whatever" })
      yield* stopped.say({ type: "stop" })
      assert.notInclude(
        (yield* stopped.all).map(({ type }) => type),
        "exit"
      )
      while ((yield* running) > 0) yield* Effect.sleep(20)
      // More than its ring holds, so that it would wait for whoever does not read.
      const script = "echo ready; sleep 0.3; seq 500000; echo end"
      const pid = yield* Effect.scoped(
        Effect.gen(function* () {
          const left = yield* open(`${at}/exec/stream`)
          yield* left.say(shell(script))
          yield* left.sees("ready")
          return JSON.parse(String(left.frames[0])).pid
        })
      )
      while ((yield* running) > 0) yield* Effect.sleep(20)
      const again = yield* open(`${at}/processes/${pid}/stream`)
      const messages = yield* again.all
      assert.deepStrictEqual(messages[0], { type: "start", pid })
      assert.deepStrictEqual(messages[1].type, "gap")
      assert.isTrue(messages.at(-2).data.endsWith("500000\nend\n"))
      assert.deepStrictEqual(messages.at(-1), { type: "exit", exit_code: 0 })
    })
  )

  it.live("who ends it, or its capsule, from elsewhere ends the conversation, which says so", () =>
    Effect.gen(function* () {
      const { ask, at, open } = yield* serving()
      const begin = Effect.gen(function* () {
        const conversation = yield* open(`${at}/exec/stream`)
        yield* conversation.say(shell("echo ready; sleep 300"))
        yield* conversation.sees("ready")
        return conversation
      })
      const killed = yield* begin
      const { pid } = JSON.parse(String(killed.frames[0]))
      assert.strictEqual((yield* ask("DELETE", `${at}/processes/${pid}?signal=SIGTERM`)).status, 204)
      assert.deepStrictEqual((yield* killed.all).at(-1), { type: "exit", exit_code: -1, signal: "SIGTERM" })
      const left = yield* begin
      assert.strictEqual((yield* ask("DELETE", at)).status, 204)
      const last = (yield* left.all).at(-1)
      assert.include(["exit", "error"], last.type)
      assert.notDeepEqual(last, { type: "exit", exit_code: 0 })
    })
  )

  it.effect("pty: a ping every 30 s", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving()
      const terminal = yield* open(`${at}/pty`)
      yield* terminal.say({ type: "start", cmd: "cat" })
      yield* terminal.sees("started")
      yield* TestClock.adjust("29 seconds")
      yield* terminal.say({ type: "input", data: base64("not yet\n") })
      yield* terminal.sees("output")
      assert.notInclude(terminal.frames.join(), "ping")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(JSON.parse(yield* terminal.sees("ping")), { type: "ping" })
      // What clients answer is passed over.
      yield* terminal.say({ type: "pong" })
      yield* terminal.say({ type: "input", data: base64("more\n\x04") })
      assert.deepStrictEqual((yield* terminal.all).at(-1), { type: "exit", exit_code: 0 })
    })
  )

  it.live("while the client does not read the process waits; then it gets every byte", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving()
      const slow = yield* open(`${at}/exec/stream`)
      yield* slow.say(shell("seq 2000000"))
      const messages = yield* slow.all
      const whole = messages.filter(({ type }) => type === "stdout").map(({ data }) => data)
      assert.strictEqual(whole.join("").split("\n").at(-2), "2000000")
      assert.strictEqual(whole.join("").length, 14_888_896)
    })
  )

  it.live(
    "processes/{pid or tag}/stream replays from the first byte, then follows; what is said there changes nothing",
    () =>
      Effect.gen(function* () {
        const { ask, at, open } = yield* serving()
        const { body } = yield* ask("POST", `${at}/exec`, {
          cmd: "/bin/sh",
          args: ["-c", "echo early; while [ ! -e go ]; do sleep 0.02; done; echo late; exit 5"],
          background: true,
          tag: "job"
        })
        const expected = [
          { type: "start", pid: body.pid },
          { type: "stdout", data: "early\n" },
          { type: "stdout", data: "late\n" },
          { type: "exit", exit_code: 5 }
        ]
        const byPid = yield* open(`${at}/processes/${body.pid}/stream`)
        const byTag = yield* open(`${at}/processes/job/stream`)
        yield* byPid.sees("early")
        yield* byTag.sees("early")
        yield* byPid.say({ type: "stop" })
        yield* ask("POST", `${at}/exec`, { cmd: "touch", args: ["go"] })
        assert.deepStrictEqual(yield* byPid.all, expected)
        assert.deepStrictEqual(yield* byTag.all, expected)
        const late = yield* open(`${at}/processes/job/stream`)
        assert.strictEqual((yield* late.all).at(-1).exit_code, 5)
      })
  )

  it.live("pty: a terminal of its size, input, resize, exit; found again by its tag; killed", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving()
      const output = (frames: ReadonlyArray<string | Uint8Array>) =>
        frames
          .map((frame) => JSON.parse(String(frame)))
          .filter(({ type }) => type === "output")
          .map(({ data }) => Buffer.from(data, "base64").toString())
          .join("")
      const sees = (terminal: { readonly frames: ReadonlyArray<string | Uint8Array> }, text: string) =>
        Effect.gen(function* () {
          while (!output(terminal.frames).includes(text)) yield* Effect.sleep(10)
        })
      const tag = yield* Effect.scoped(
        Effect.gen(function* () {
          const terminal = yield* open(`${at}/pty`)
          yield* terminal.say({ type: "start", cmd: "/bin/sh", cols: 120, rows: 40, envs: { PS1: "> " }, cwd: "/usr" })
          const started = JSON.parse(yield* terminal.sees("started"))
          assert.match(started.tag, /^pty-[0-9a-f]{8}$/)
          assert.isAbove(started.pid, 0)
          yield* terminal.say({ type: "input", data: base64("pwd; stty size\n") })
          yield* sees(terminal, "/usr\r\n40 120\r\n")
          yield* terminal.say({ type: "resize", cols: 91, rows: 33 })
          yield* terminal.send(Buffer.from("stty size\n"))
          yield* sees(terminal, "33 91\r\n")
          return started.tag
        })
      )
      const again = yield* open(`${at}/pty`)
      yield* again.say({ type: "connect", tag })
      yield* sees(again, "33 91\r\n")
      yield* again.say({ type: "input", data: base64("exit 3\n") })
      assert.deepStrictEqual((yield* again.all).at(-1), { type: "exit", exit_code: 3 })
      const killed = yield* open(`${at}/pty`)
      yield* killed.say({ type: "start", cmd: "sleep", args: ["300"] })
      yield* killed.sees("started")
      // More input than anybody reads must not keep it from being killed.
      for (let n = 0; n < 30; n++) yield* killed.say({ type: "input", data: base64("x".repeat(5_000)) })
      yield* killed.say({ type: "kill" })
      assert.deepStrictEqual((yield* killed.all).at(-1), { type: "exit", exit_code: -1, signal: "SIGKILL" })
    })
  )

  it.live("a wrong first frame, an unknown capsule, a paused one, an unknown process: an error, then the close", () =>
    Effect.gen(function* () {
      const { ask, at, open } = yield* serving()
      const only = (path: string, first?: unknown) =>
        Effect.gen(function* () {
          const { all, say, send } = yield* open(path)
          if (first !== undefined) yield* typeof first === "string" ? send(first) : say(first)
          const messages = yield* all
          assert.strictEqual(messages.length, 1)
          assert.strictEqual(messages[0].type, "error")
          return messages[0]
        })
      const wrong = "first message must be type 'start' with a 'cmd' field"
      for (const first of ["{", "[]", "null", { type: "stop" }, { type: "start" }, { type: "start", cmd: "" }]) {
        assert.deepStrictEqual(yield* only(`${at}/exec/stream`, first), { type: "error", data: wrong })
      }
      assert.deepStrictEqual(yield* only(`${at}/pty`, { type: "resize", cols: 1, rows: 1 }), {
        type: "error",
        data: "first message must be type 'start' or 'connect'",
        fatal: true
      })
      assert.strictEqual((yield* only(`${at}/pty`, { type: "connect", tag: "nobody" })).data, "process not found")
      assert.strictEqual((yield* only("/cl-unknown/exec/stream", shell("true"))).data, "sandbox not found")
      assert.strictEqual((yield* only(`${at}/processes/999999999/stream`)).data, "process not found")
      assert.match((yield* only(`${at}/exec/stream`, { type: "start", cmd: "no-such" })).data, /no-such/)
      yield* ask("POST", `${at}/pause`)
      const paused = yield* only(`${at}/exec/stream`, shell("true"))
      assert.strictEqual(paused.data, "sandbox is not running (status: paused)")
    })
  )

  it.live("who shows no key says who he is first; whoever does not, or too late, is told so and learns nothing", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving({ limits: { greeting: 400 } })
      const welcome = yield* open(`${at}/exec/stream`, {})
      yield* welcome.say({ type: "auth", token: key })
      yield* welcome.say(shell("echo in"))
      assert.strictEqual((yield* welcome.all).at(-1).exit_code, 0)
      const failed = [{ type: "error", data: "authentication failed" }]
      const guest = (headers: {}, path: string) =>
        Effect.all(
          [
            ...[shell("true"), { type: "auth", token: "wrong" }, { type: "auth" }].map((first) =>
              Effect.gen(function* () {
                const stranger = yield* open(path, headers)
                yield* stranger.say(first)
                assert.deepStrictEqual(yield* stranger.all, failed)
              })
            ),
            Effect.gen(function* () {
              const loud = yield* open(path, headers)
              yield* loud.send("y".repeat(9_000))
              assert.strictEqual(yield* loud.closed, 1006)
            }),
            Effect.gen(function* () {
              const silent = yield* open(path, headers)
              assert.deepStrictEqual(yield* silent.all, failed)
            })
          ],
          { concurrency: "unbounded" }
        )
      const paths = [`${at}/exec/stream`, "/cl-unknown/pty"]
      yield* Effect.all(
        [{}, { "x-api-key": "wrn_wrong" }].flatMap((headers) => paths.map((path) => guest(headers, path))),
        { concurrency: "unbounded" }
      )
      const slow = yield* open(`${at}/exec/stream`)
      assert.deepStrictEqual((yield* slow.all)[0].type, "error")
    })
  )

  it.live("one connection more than the limit is answered with 503, one stranger more makes the oldest go", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving({ limits: { connections: 4, strangers: 2 } })
      const neighbour = yield* open(`${at}/exec/stream`)
      yield* neighbour.say(shell("echo ready; exec sleep 300"))
      yield* neighbour.sees("ready")
      const oldest = yield* open(`${at}/exec/stream`, {})
      const others = [yield* open(`${at}/exec/stream`, {}), yield* open(`${at}/exec/stream`, {})] as const
      assert.strictEqual(yield* oldest.closed, 1006)
      const last = yield* open(`${at}/exec/stream`)
      const refused = yield* Effect.flip(open(`${at}/exec/stream`))
      assert.include(refused.message, "503")
      for (const stranger of others) {
        yield* stranger.say({ type: "auth", token: key })
        yield* stranger.say(shell("echo in"))
        assert.strictEqual((yield* stranger.all).at(-1).exit_code, 0)
      }
      yield* last.say(shell("exit 3"))
      assert.strictEqual((yield* last.all).at(-1).exit_code, 3)
      yield* neighbour.say({ type: "stop" })
      yield* neighbour.all
    })
  )

  it.live("a frame over the limit ends its own conversation, and no other", () =>
    Effect.gen(function* () {
      const { at, open } = yield* serving()
      const neighbour = yield* open(`${at}/exec/stream`)
      yield* neighbour.say(shell("echo ready; sleep 1; echo done"))
      yield* neighbour.sees("ready")
      const large = yield* open(`${at}/exec/stream`)
      yield* large.send("x".repeat(5_000_000))
      assert.strictEqual(yield* large.closed, 1009)
      assert.strictEqual((yield* neighbour.all).at(-1).exit_code, 0)
    })
  )
})
