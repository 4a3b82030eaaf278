/** Wrenn's API over HTTP: each route and each documented error, as on the wire. */
import { randomBytes } from "node:crypto"
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { assert, describe, it } from "@effect/vitest"
import { WrennExec } from "@effect-exec/capsule"
import { isError, type Json, key, serving } from "./wrenn.ts"

const until = <E, R>(fact: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.flatMap(fact, (is) => (is ? Effect.void : Effect.andThen(Effect.sleep(20), until(fact))))

const form = (path: string, bytes: Uint8Array<ArrayBuffer>) => {
  const it = new FormData()
  it.set("path", path)
  it.set("file", new Blob([bytes]), "upload")
  return it
}

describe("Wrenn's capsules over HTTP", () => {
  it.live("a capsule is created, told of, listed, pinged, paused, resumed and destroyed", () =>
    Effect.gen(function* () {
      const { ask, at, id } = yield* serving()
      assert.match(id, /^cl-[0-9a-z]{25}$/)
      const { body, status } = yield* ask("GET", at)
      assert.strictEqual(status, 200)
      assert.strictEqual(body.status, "running")
      assert.strictEqual(body.template, "minimal")
      assert.strictEqual(body.timeout_sec, 600)
      for (const field of ["created_at", "started_at", "last_active_at", "last_updated"]) {
        assert.match(body[field], /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      }
      assert.deepStrictEqual(
        (yield* ask("GET", "")).body.map((capsule: { id: string }) => capsule.id),
        [id]
      )
      assert.strictEqual((yield* ask("POST", `${at}/ping`)).status, 204)
      const paused = yield* ask("POST", `${at}/pause`)
      assert.deepStrictEqual([paused.status, paused.body.status], [200, "paused"])
      isError(
        yield* ask("POST", `${at}/exec`, { cmd: "true" }),
        409,
        "invalid_state",
        "sandbox is not running (status: paused)"
      )
      isError(yield* ask("POST", `${at}/pause`), 409, "invalid_state", "sandbox is not running (status: paused)")
      const resumed = yield* ask("POST", `${at}/resume`)
      assert.deepStrictEqual([resumed.status, resumed.body.status], [200, "running"])
      assert.strictEqual((yield* ask("POST", `${at}/resume`)).status, 409)
      assert.strictEqual((yield* ask("POST", `${at}/exec`, { cmd: "true" })).status, 200)
      assert.strictEqual((yield* ask("DELETE", at)).status, 204)
      assert.strictEqual((yield* ask("GET", at)).body.status, "stopped")
      assert.strictEqual((yield* ask("DELETE", at)).status, 204)
      isError(yield* ask("POST", `${at}/exec`, { cmd: "true" }), 404, "not_found", "sandbox not found")
    })
  )

  it.live("paused is paused: what runs stands still, and goes on", () =>
    Effect.gen(function* () {
      const { ask, at, sh } = yield* serving()
      yield* ask("POST", `${at}/exec`, {
        cmd: "/bin/sh",
        args: ["-c", "while :; do echo x >> ticks; sleep 0.02; done"],
        background: true
      })
      const file = `${(yield* sh("pwd")).trim()}/ticks`
      const ticks = Effect.sync(() => (existsSync(file) ? readFileSync(file).length : 0))
      const grows = Effect.flatMap(ticks, (before) => until(Effect.map(ticks, (now) => now > before)))
      yield* grows
      yield* ask("POST", `${at}/pause`)
      const stopped = yield* ticks
      yield* Effect.sleep(300)
      assert.strictEqual(yield* ticks, stopped)
      yield* ask("POST", `${at}/resume`)
      yield* grows
    })
  )

  it.live("one capsule, or one command, more than the limits have room for is rate_limited, and the others go on", () =>
    Effect.gen(function* () {
      const { ask, at, sh } = yield* serving({ limits: { capsules: 1, processes: 1 } })
      isError(yield* ask("POST", "", {}), 429, "rate_limited", /1 capsules/)
      const background = yield* ask("POST", `${at}/exec`, { cmd: "sleep", args: ["300"], background: true })
      isError(yield* ask("POST", `${at}/exec`, { cmd: "true" }), 429, "rate_limited", /1 processes/)
      assert.lengthOf((yield* ask("GET", `${at}/processes`)).body.processes, 1)
      assert.strictEqual((yield* ask("DELETE", `${at}/processes/${background.body.pid}`)).status, 204)
      yield* until(Effect.map(sh("echo room"), (said) => said === "room\n"))
    })
  )

  it.live("what is wrong with a request is told in the API's words", () =>
    Effect.gen(function* () {
      const { ask, at } = yield* serving()
      const unauthorized = "X-API-Key or Authorization: Bearer <token> required"
      for (const headers of [{}, { "x-api-key": "wrn_wrong" }, { authorization: "Bearer wrong" }]) {
        for (const path of [at, "", "/cl-unknown", `${at}/processes`]) {
          isError(yield* ask("GET", path, undefined, headers as {}), 401, "unauthorized", unauthorized)
        }
      }
      assert.strictEqual((yield* ask("GET", at, undefined, { authorization: `Bearer ${key}` })).status, 200)
      isError(yield* ask("GET", "/cl-unknown"), 404, "not_found", "sandbox not found")
      isError(yield* ask("DELETE", "/cl-unknown"), 404, "not_found", "sandbox not found")
      isError(yield* ask("POST", "/cl-unknown/exec", { cmd: "true" }), 404, "not_found", "sandbox not found")
      isError(yield* ask("GET", "/%20"), 400, "invalid_request", "invalid sandbox ID")
      isError(yield* ask("GET", `${at}/nonsense`), 404, "not_found", "no such route")
      isError(yield* ask("POST", "", "{"), 400, "invalid_request", "invalid JSON body")
      isError(yield* ask("POST", "", { template: "nonsense" }), 400, "invalid_request", /minimal/)
      isError(yield* ask("POST", `${at}/exec`, "{"), 400, "invalid_request", "invalid JSON body")
      isError(yield* ask("POST", `${at}/exec`, "[]"), 400, "invalid_request", /invalid JSON body/)
      isError(yield* ask("POST", `${at}/exec`, {}), 400, "invalid_request", "cmd is required")
      isError(yield* ask("POST", `${at}/exec`, { cmd: "" }), 400, "invalid_request", "cmd is required")
      isError(
        yield* ask("POST", `${at}/exec`, { cmd: "true", args: "no" }),
        400,
        "invalid_request",
        /invalid JSON body/
      )
      isError(yield* ask("POST", `${at}/exec`, { cmd: "a\0b" }), 400, "invalid_request", /NUL/)
      isError(
        yield* ask("POST", `${at}/exec`, { cmd: "true", args: ["x".repeat(5_000_000)] }),
        413,
        "too_large",
        /larger/
      )
      isError(yield* ask("DELETE", `${at}/processes/nobody`), 404, "not_found", "process not found")
      isError(yield* ask("DELETE", `${at}/processes/999999999`), 404, "not_found", "process not found")
      isError(yield* ask("DELETE", `${at}/processes/1?signal=SIGNOPE`), 400, "invalid_request", /signal/)
      assert.strictEqual((yield* ask("POST", `${at}/exec`, { cmd: "true" })).status, 200)
    })
  )

  it.live("a limit, a place that is not there, and what may not be touched have their errors, too", () =>
    Effect.gen(function* () {
      const nowhere = WrennExec.layer({ baseUrl: "http://127.0.0.1:9", capsuleId: "none" })
      const { ask, at } = yield* serving({ limits: { processes: 1, capsules: 2 }, templates: { nowhere } })
      isError(yield* ask("POST", "", { template: "nowhere" }), 503, "host_unavailable", /unavailable/)
      assert.strictEqual((yield* ask("GET", "")).body.length, 1)
      assert.strictEqual((yield* ask("POST", "", {})).status, 201)
      isError(yield* ask("POST", "", {}), 429, "rate_limited", /2 capsules/)
      const sleep = { cmd: "sleep", args: ["300"], background: true }
      assert.strictEqual((yield* ask("POST", `${at}/exec`, sleep)).status, 202)
      isError(yield* ask("POST", `${at}/exec`, sleep), 429, "rate_limited", /1 processes/)
      isError(yield* ask("POST", `${at}/exec`, { cmd: "true" }), 429, "rate_limited", /1 processes/)
      const { body } = yield* ask("GET", `${at}/processes`)
      assert.strictEqual((yield* ask("DELETE", `${at}/processes/${body.processes[0].pid}`)).status, 204)
      yield* until(Effect.map(ask("POST", `${at}/exec`, { cmd: "true" }), ({ status }) => status === 200))
      // Nobody may, whoever he is.
      const path = "/proc/no/such"
      isError(yield* ask("POST", `${at}/files/mkdir`, { path }), 403, "forbidden", `permission denied: ${path}`)
      isError(yield* ask("POST", `${at}/files/write`, form(`${path}/x`, new Uint8Array(3))), 403, "forbidden", /denied/)
      isError(yield* ask("POST", `${at}/files/remove`, { path: "/proc/self" }), 403, "forbidden", /denied/)
    })
  )

  it.live(
    "a command is answered as one: output, exit code, environment, directory; bytes that are no text as base64",
    () =>
      Effect.gen(function* () {
        const { ask, at, id } = yield* serving()
        const { body, status } = yield* ask("POST", `${at}/exec`, {
          cmd: "/bin/sh",
          args: ["-c", 'echo "$A $(pwd)"; echo e >&2; exit 3'],
          background: false,
          timeout_sec: 30,
          envs: { A: "a b&c|d;e" },
          cwd: "/usr"
        })
        assert.strictEqual(status, 200)
        const { duration_ms, ...rest } = body
        assert.isTrue(Number.isInteger(duration_ms))
        assert.deepStrictEqual(rest, {
          sandbox_id: id,
          cmd: "/bin/sh",
          stdout: "a b&c|d;e /usr\n",
          stderr: "e\n",
          exit_code: 3,
          encoding: "utf-8"
        })
        const binary = yield* ask("POST", `${at}/exec`, { cmd: "/bin/sh", args: ["-c", "printf '\\377a'; echo e >&2"] })
        assert.deepStrictEqual(
          [binary.body.stdout, binary.body.stderr, binary.body.encoding],
          ["/2E=", "ZQo=", "base64"]
        )
        const killed = yield* ask("POST", `${at}/exec`, { cmd: "/bin/sh", args: ["-c", "kill -9 $$"] })
        assert.strictEqual(killed.body.exit_code, -1)
        const left = yield* ask("POST", `${at}/exec`, { cmd: "/bin/sh", args: ["-c", "sleep 300 & echo $!"] })
        const alive = yield* ask("POST", `${at}/exec`, { cmd: "kill", args: [String(left.body.stdout).trim()] })
        assert.strictEqual(alive.body.exit_code, 0)
      })
  )

  it.live("a timeout ends the tree; so does a client that goes, and output without end", () =>
    Effect.gen(function* () {
      const { ask, at, sh } = yield* serving({ limits: { output: 100_000 } })
      const tree = (name: string) => ({
        cmd: "/bin/sh",
        args: ["-c", `sleep 300 & echo $! > ${name}; sleep 300`]
      })
      const isDead = (name: string) =>
        Effect.map(sh(`kill -0 $(cat ${name}) 2>/dev/null && echo alive`), (said) => said === "")
      isError(
        yield* ask("POST", `${at}/exec`, { ...tree("one"), timeout_sec: 1 }),
        502,
        "agent_error",
        /deadline_exceeded/
      )
      assert.isTrue(yield* isDead("one"))
      const waiting = yield* Effect.forkChild(ask("POST", `${at}/exec`, tree("two")), { startImmediately: true })
      yield* until(Effect.map(sh("cat two 2>/dev/null"), (said) => said !== ""))
      yield* Fiber.interrupt(waiting)
      yield* until(isDead("two"))
      isError(yield* ask("POST", `${at}/exec`, { cmd: "yes" }), 502, "agent_error", /more than 100000 bytes/)
      isError(yield* ask("POST", `${at}/exec`, { cmd: "pwd", cwd: "/no/such" }), 502, "agent_error", /\/no\/such/)
      isError(yield* ask("POST", `${at}/exec`, { cmd: "no-such" }), 502, "agent_error", /no-such/)
    })
  )

  it.live("a command in the background has a pid and a tag, is listed, found and killed by both", () =>
    Effect.gen(function* () {
      const { ask, at, id } = yield* serving()
      const sleep = { cmd: "sleep", args: ["300"], background: true }
      const { body, status } = yield* ask("POST", `${at}/exec`, sleep)
      assert.strictEqual(status, 202)
      assert.match(body.tag, /^proc-[0-9a-f]{8}$/)
      assert.deepStrictEqual({ ...body, pid: 0 }, { sandbox_id: id, cmd: "sleep", pid: 0, tag: body.tag })
      const named = yield* ask("POST", `${at}/exec`, { ...sleep, tag: "api-server" })
      isError(yield* ask("POST", `${at}/exec`, { ...sleep, tag: "api-server" }), 409, "conflict", /api-server/)
      assert.deepStrictEqual((yield* ask("GET", `${at}/processes`)).body, {
        processes: [
          { pid: body.pid, tag: body.tag, cmd: "sleep", args: ["300"] },
          { pid: named.body.pid, tag: "api-server", cmd: "sleep", args: ["300"] }
        ]
      })
      assert.strictEqual((yield* ask("DELETE", `${at}/processes/${body.pid}`)).status, 204)
      assert.strictEqual((yield* ask("DELETE", `${at}/processes/api-server?signal=SIGTERM`)).status, 204)
      yield* until(Effect.map(ask("GET", `${at}/processes`), ({ body }) => body.processes.length === 0))
      isError(yield* ask("DELETE", `${at}/processes/api-server`), 404, "not_found", "process not found")
    })
  )

  it.live("files: written with their directories, read, listed, made, removed; byte for byte", () =>
    Effect.gen(function* () {
      const { ask, at, sh } = yield* serving({ limits: { file: 200_000 } })
      const home = (yield* sh("pwd")).trim()
      const bytes = randomBytes(150_000) as Uint8Array<ArrayBuffer>
      assert.strictEqual((yield* ask("POST", `${at}/files/write`, form(`${home}/a/b c/'x'`, bytes))).status, 204)
      const read = yield* ask("POST", `${at}/files/read`, { path: `${home}/a/b c/'x'` })
      assert.strictEqual(read.type, "application/octet-stream")
      assert.isTrue(read.bytes.equals(bytes))
      const large = randomBytes(3_000_000) as Uint8Array<ArrayBuffer>
      isError(yield* ask("POST", `${at}/files/write`, form("large", large)), 413, "too_large", /larger/)
      assert.strictEqual((yield* ask("POST", `${at}/files/stream/write`, form("large", large))).status, 204)
      assert.isTrue((yield* ask("POST", `${at}/files/stream/read`, { path: "large" })).bytes.equals(large))
      assert.strictEqual((yield* ask("POST", `${at}/files/write`, form("empty", new Uint8Array()))).status, 204)
      assert.strictEqual((yield* ask("POST", `${at}/files/read`, { path: "empty" })).bytes.length, 0)
      yield* sh("ln -s /nowhere a/link; chmod 640 \"a/b c/'x'\"; : > 'a/new\nline'; mkfifo a/fifo")
      const listed = yield* ask("POST", `${at}/files/list`, { path: `${home}/a/`, depth: 2 })
      const entries = new Map<string, Json>(listed.body.entries.map((entry: { name: string }) => [entry.name, entry]))
      assert.sameMembers([...entries.keys()], ["b c", "'x'", "link", "new\nline", "fifo"])
      const { group, modified_at, owner, ...file } = entries.get("'x'")
      assert.isAbove(modified_at, 1_600_000_000)
      assert.isString(owner + group)
      assert.deepStrictEqual(file, {
        name: "'x'",
        path: `${home}/a/b c/'x'`,
        type: "file",
        size: 150_000,
        mode: 0o640,
        permissions: "-rw-r-----"
      })
      assert.strictEqual(entries.get("b c").type, "directory")
      assert.strictEqual(entries.get("fifo").type, "unknown")
      assert.deepStrictEqual([entries.get("link").type, entries.get("link").symlink_target], ["symlink", "/nowhere"])
      assert.strictEqual((yield* ask("POST", `${at}/files/list`, { path: `${home}/a` })).body.entries.length, 4)
      const made = yield* ask("POST", `${at}/files/mkdir`, { path: `${home}/d/e` })
      assert.deepStrictEqual([made.status, made.body.entry.name, made.body.entry.type], [200, "e", "directory"])
      isError(yield* ask("POST", `${at}/files/mkdir`, { path: `${home}/d/e` }), 409, "conflict", /exists/)
      assert.strictEqual((yield* ask("POST", `${at}/files/remove`, { path: `${home}/d` })).status, 204)
      isError(yield* ask("POST", `${at}/files/remove`, { path: `${home}/d` }), 404, "not_found", /path not found/)
      isError(yield* ask("POST", `${at}/files/read`, { path: `${home}/d` }), 404, "not_found", /path not found/)
      isError(yield* ask("POST", `${at}/files/list`, { path: `${home}/d` }), 404, "not_found", /path not found/)
      isError(yield* ask("POST", `${at}/files/read`, { path: `${home}/a` }), 400, "invalid_request", /kind/)
      isError(yield* ask("POST", `${at}/files/read`, {}), 400, "invalid_request", "invalid JSON body")
      isError(yield* ask("POST", `${at}/files/read`, { path: "" }), 400, "invalid_request", "path is required")
      isError(yield* ask("POST", `${at}/files/write`, new FormData()), 400, "invalid_request", /file is required/)
    })
  )

  // Whether some process has this file as its stdout.
  const isWriting = (path: string) =>
    readdirSync("/proc").some((pid) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/1`) === path
      } catch {
        return false
      }
    })
  const boundary = "b0undary"
  const multipart = `multipart/form-data; boundary=${boundary}`
  const head = (path: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; name="path"\r\n\r\n${path}\r\n--${boundary}\r\n` +
    `Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n`
  const tail = `\r\n--${boundary}--\r\n`

  it.live("a body that trickles is answered with 408, and nothing is left of it", () =>
    Effect.gen(function* () {
      const { ask, at, sh, trickle } = yield* serving({ limits: { greeting: 300, pace: 300 } })
      const home = (yield* sh("pwd")).trim()
      function* endless(...first: ReadonlyArray<string>) {
        yield* first
        while (true) yield "x"
      }
      const is408 = (answer: string, message: RegExp) => {
        const [head = "", body = ""] = answer.split("\r\n\r\n")
        assert.match(head, /^HTTP\/1.1 408 /)
        const { error } = JSON.parse(body)
        assert.strictEqual(error.code, "timeout")
        assert.match(error.message, message)
      }
      const json = "Content-Length: 1000\r\n\r\n{"
      const paths = [
        "",
        `${at}/exec`,
        `${at}/files/read`,
        `${at}/files/list`,
        `${at}/files/mkdir`,
        `${at}/files/remove`
      ]
      const file = `${home}/trickled`
      yield* Effect.all(
        [
          ...paths.map((path) =>
            Effect.map(trickle(path, "application/json", endless(json)), (answer) => is408(answer, /within 300 ms/))
          ),
          ...["write", "stream/write"].map((route) =>
            Effect.map(
              trickle(`${at}/files/${route}`, multipart, endless(`Content-Length: 99999\r\n\r\n${head(file)}some`)),
              (answer) => is408(answer, /less than 16 KiB in 300 ms/)
            )
          ),
          until(Effect.sync(() => isWriting(file)))
        ],
        { concurrency: "unbounded" }
      )
      yield* until(Effect.sync(() => !isWriting(file)))
      assert.deepStrictEqual((yield* ask("GET", "")).body.length, 1)
      assert.deepStrictEqual((yield* ask("GET", `${at}/processes`)).body.processes, [])
      assert.match(readFileSync(file, "utf8"), /^somex*$/)
    })
  )

  it.live("a file may take as long as it likes while it moves, and while it is not taken", () =>
    Effect.gen(function* () {
      const { at, sh, trickle } = yield* serving({ limits: { pace: 1000 } })
      const home = (yield* sh("pwd")).trim()
      const bits = Array.from({ length: 12 }, () => "x".repeat(32 * 1024))
      const length = head(`${home}/moving`).length + bits.join("").length + tail.length
      const began = Date.now()
      const [first = "", ...rest] = [head(`${home}/moving`), ...bits, tail]
      const moving = trickle(
        `${at}/files/write`,
        multipart,
        [`Content-Length: ${length}\r\n\r\n${first}`, ...rest],
        100
      )
      assert.match(yield* moving, /^HTTP\/1.1 204 /)
      assert.isAbove(Date.now() - began, 1_200)
      assert.strictEqual(readFileSync(`${home}/moving`).length, 12 * 32 * 1024)
      yield* sh("mkfifo fifo")
      const large = "x".repeat(2 * 1024 * 1024)
      const whole = `Content-Length: ${head(`${home}/fifo`).length + large.length + tail.length}\r\n\r\n`
      const stuck = yield* Effect.forkChild(
        trickle(`${at}/files/stream/write`, multipart, [whole + head(`${home}/fifo`) + large + tail]),
        { startImmediately: true }
      )
      yield* Effect.sleep(1_500)
      assert.isUndefined(stuck.pollUnsafe())
      assert.strictEqual((yield* sh("wc -c < fifo")).trim(), String(large.length))
      assert.match(yield* Fiber.join(stuck), /^HTTP\/1.1 204 /)
    })
  )
})
