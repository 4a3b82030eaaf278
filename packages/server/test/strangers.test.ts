/** Who has no business here: without a token, from another page, too slow, too much. Nothing starts, nobody notices. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import * as Net from "node:net"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { WebSocketConstructor } from "effect/socket/Socket"
import { WebSocket } from "ws"
import { assert, describe, it } from "@effect/vitest"
import { CapsuleExec } from "@effect-exec/capsule"
import { ShFixtures } from "@effect-exec/testing"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import { client, guarded, serve } from "./guarded.ts"
import { connect, helloOf, startOf } from "./rawClient.ts"

const fixtures = ShFixtures.make()

const problemOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if (!ExecError.isExecError(error)) throw new Error(`no ExecError: ${String(error)}`)
    return error
  })

/** Everything that a TCP connection is told until it is closed, after it has said this. */
const told = (port: number, said: string) =>
  Effect.callback<string>((resume) => {
    let text = ""
    const socket = Net.connect(port, "127.0.0.1", () => socket.write(said))
    socket.on("data", (bytes) => (text += String(bytes)))
    socket.on("close", () => resume(Effect.succeed(text)))
    socket.on("error", () => {})
    return Effect.sync(() => socket.destroy())
  })

describe("a stranger", () => {
  for (const [title, shown] of [
    ["without a token", undefined],
    ["with a wrong token", "wrong"],
    ["with an empty token", ""],
    ["with a part of the token", "righ"]
  ] as const) {
    it.live(`${title} runs nothing, and is told how to mend that`, () =>
      Effect.gen(function* () {
        const { ask, undisturbed, url } = yield* guarded()
        const token = shown === undefined ? undefined : Redacted.make(shown)
        const layer = CapsuleExec.layer({ url, token })
        const error = yield* problemOf(Effect.provide(Exec.run(fixtures.exit(0)), layer))
        assert.deepStrictEqual([error.reason._tag, error.reason.detail?.code], ["BackendUnavailable", "4401"])
        assert.include(error.message, "token")

        // Whatever it says before it is let in starts nothing.
        const raw = yield* connect(url)
        yield* raw.send(helloOf("a", shown === undefined ? {} : { token: shown }))
        yield* raw.send(startOf(1, ["sleep", "60"]))
        assert.strictEqual(yield* raw.closed, 4401)

        for (const [path, method] of [
          ["/capsules", "GET"],
          ["/capsules", "POST"],
          ["/capsules/main", "GET"],
          ["/capsules/main", "DELETE"],
          ["/metrics", "GET"],
          ["/nonsense", "GET"]
        ] as const) {
          const answer = yield* ask(path, { method }, shown ?? "")
          assert.strictEqual(answer.status, 401, `${method} ${path}`)
          assert.strictEqual(answer.header("www-authenticate"), "Bearer")
        }
        yield* undisturbed
      })
    )
  }

  it.live("does not learn which capsules there are", () =>
    Effect.gen(function* () {
      const { url } = yield* guarded()
      for (const path of ["", "/capsules/main", "/capsules/nobody"]) {
        const raw = yield* connect(url + path)
        yield* raw.send(helloOf("a"))
        assert.strictEqual(yield* raw.closed, 4401)
      }
    })
  )

  it.live("may show any of several keys: as a bearer token, as an API key, or in its first message", () =>
    Effect.gen(function* () {
      const auth = { one: Redacted.make("first"), two: Redacted.make("second") }
      const { ask, url } = yield* serve({ auth }).pipe(
        Effect.map(({ url }) => ({
          url,
          ask: (headers: Record<string, string>) =>
            Effect.promise(async () => (await fetch(`${url.replace("ws", "http")}/capsules`, { headers })).status)
        }))
      )
      for (const key of ["first", "second"]) {
        assert.strictEqual(yield* ask({ authorization: `Bearer ${key}` }), 200)
        assert.strictEqual(yield* ask({ "x-api-key": key }), 200)
        const result = yield* Effect.provide(Exec.run(fixtures.exit(3)), client(url, Redacted.make(key)))
        assert.strictEqual(result.exitCode, 3)
        const raw = yield* connect(url, { "x-api-key": key })
        yield* raw.send(helloOf(key === "first" ? "1" : "2"))
        yield* raw.sees("Welcome")
      }
      assert.strictEqual(yield* ask({ authorization: "Bearer third" }), 401)
      // The session of one is nothing for the other, although both may come in.
      const thief = yield* connect(url, { "x-api-key": "second" })
      yield* thief.send(helloOf("1", { resume: true }))
      assert.strictEqual(yield* thief.closed, 4410)
    })
  )

  it.live("from another Origin is closed with 4403, and learns nothing over HTTP", () =>
    Effect.gen(function* () {
      const origins = ["https://trusted.example.com"]
      const { ask, undisturbed, url } = yield* guarded({ origins })
      for (const origin of [
        "https://evil.com",
        "https://trusted.example.com.evil.com",
        "https://eviltrusted.example.com",
        "http://trusted.example.com",
        "https://trusted.example.com:8443",
        "null",
        ""
      ]) {
        const raw = yield* connect(url, { origin, authorization: "Bearer right" })
        assert.strictEqual(yield* raw.closed, 4403, origin)
        const answer = yield* ask("/capsules", { headers: { origin } })
        assert.strictEqual(answer.status, 403, origin)
        assert.isNull(answer.header("access-control-allow-origin"))
      }
      yield* undisturbed
    })
  )

  it.live("from an Origin of the list is let in, and its browser told so", () =>
    Effect.gen(function* () {
      const origin = "https://trusted.example.com"
      const { ask, url } = yield* guarded({ origins: ["https://other.example.com", origin] })
      const raw = yield* connect(url, { origin })
      yield* raw.send(helloOf("a", { token: "right" }))
      yield* raw.sees("Welcome")
      const answer = yield* ask("/capsules", { headers: { origin } })
      assert.strictEqual(answer.header("access-control-allow-origin"), origin)
      // What a browser asks before it says a token, without one.
      const headers = { origin, "access-control-request-method": "POST" }
      const before = yield* ask("/capsules", { method: "OPTIONS", headers }, "")
      assert.strictEqual(before.status, 204)
      assert.include(before.header("access-control-allow-headers") ?? "", "authorization")
    })
  )

  it.live("a page that a browser takes for this server's own is refused where no token is asked for", () =>
    Effect.gen(function* () {
      const { port, url } = yield* serve()
      const answer = yield* told(port, "GET /capsules HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\n\r\n")
      assert.include(answer, "403")
      const raw = yield* connect(url, { host: `evil.com:${port}` })
      assert.strictEqual(yield* raw.closed, 4403)
      for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`]) {
        const answer = yield* told(port, `GET /capsules HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
        assert.include(answer, "200 OK")
      }
    })
  )

  it.live("that says nothing, or little at a time, is let go of", () =>
    Effect.gen(function* () {
      const { port, undisturbed, url } = yield* guarded({ limits: { greeting: 300 } })
      const started = performance.now()
      const silent = connect(url).pipe(Effect.flatMap((raw) => raw.closed))
      const [nothing, half, webSocket] = yield* Effect.all(
        [told(port, ""), told(port, "GET / HTTP/1.1\r\nHost: x\r\nUpgr"), silent],
        { concurrency: "unbounded" }
      )
      assert.include(nothing, "408")
      assert.include(half, "408")
      assert.strictEqual(webSocket, 4408)
      assert.isAbove(performance.now() - started, 290)
      yield* undisturbed
    })
  )

  it.live("with a body that trickles is answered with 408", () =>
    Effect.gen(function* () {
      const { port, undisturbed } = yield* guarded({ limits: { greeting: 300 } })
      const head = "POST /capsules HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer right\r\nContent-Length: 99\r\n"
      const answer = yield* told(port, `${head}Connection: close\r\n\r\n{"templ`)
      assert.include(answer, "HTTP/1.1 408")
      yield* undisturbed
    })
  )

  it.live("gives way to others when there are too many like him", () =>
    Effect.gen(function* () {
      const { undisturbed, url } = yield* guarded({ limits: { strangers: 3 } })
      const oldest = yield* connect(url)
      const others = yield* Effect.all(Array.from({ length: 3 }, () => connect(url)))
      assert.strictEqual(yield* oldest.closed, 4408)
      yield* others[0]!.send(helloOf("a", { token: "right" }))
      yield* others[0]!.sees("Welcome")
      yield* Effect.scoped(Effect.provide(Exec.run(fixtures.exit(0)), client(url)))
      yield* Effect.sync(() => void others)
      yield* others[0]!.send("bye")
      assert.strictEqual(yield* others[0]!.closed, 4400)
      yield* undisturbed
    })
  )

  it.live("that says more than a Hello is closed with 1009, before it costs memory", () =>
    Effect.gen(function* () {
      const { port, undisturbed } = yield* guarded()
      const upgrade =
        "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: exec.v1\r\n\r\n"
      // The head of a text frame of 4 MiB, of which never more than 9 KiB come.
      const frame = "\x81\xff\x00\x00\x00\x00\x00\x3f\xff\xff\x00\x00\x00\x00" + "x".repeat(9_000)
      const answer = yield* Effect.callback<Buffer>((resume) => {
        let all = Buffer.alloc(0)
        const socket = Net.connect(port, "127.0.0.1", () => socket.write(Buffer.from(upgrade + frame, "latin1")))
        socket.on("data", (bytes) => (all = Buffer.concat([all, bytes])))
        socket.on("close", () => resume(Effect.succeed(all)))
      })
      const close = answer.subarray(answer.indexOf("\r\n\r\n") + 4)
      assert.deepStrictEqual([close[0], close.readUInt16BE(2)], [0x88, 1009])
      yield* undisturbed
    })
  )
})

describe("a server", () => {
  it.live("does not let others reach it without a token", () =>
    Effect.gen(function* () {
      for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.evil.com"]) {
        const error = yield* Effect.flip(serve({ host }))
        assert.strictEqual(error.reason, "Unprotected", host)
        assert.include(error.message, host)
      }
      const empty = yield* Effect.flip(serve({ auth: { me: Redacted.make("") } }))
      assert.strictEqual(empty.reason, "InvalidOption")
    })
  )

  it.live("speaks TLS with a certificate, and lets go of who begins no handshake", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(Path.join(tmpdir(), "effect-exec-tls-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true }))
      )
      const file = (name: string) => Path.join(folder, name)
      const request = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
      const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
      execFileSync("openssl", [...request, ...names, "-keyout", file("key"), "-out", file("cert")], { stdio: "ignore" })
      const [key, cert] = [readFileSync(file("key")), readFileSync(file("cert"))]
      const { port, url } = yield* serve({ tls: { key, cert }, limits: { greeting: 300 } })
      assert.match(url, /^wss:/)
      const trusting = Layer.succeed(
        WebSocketConstructor,
        (url, protocols) =>
          new WebSocket(url, protocols as Array<string>, { ca: cert }) as unknown as globalThis.WebSocket
      )
      const layer = CapsuleExec.layer({ url }).pipe(Layer.provide(trusting))
      assert.strictEqual((yield* Effect.provide(Exec.run(fixtures.exit(3)), layer)).exitCode, 3)
      const doubting = yield* problemOf(Effect.provide(Exec.run(fixtures.exit(0)), CapsuleExec.layer({ url })))
      assert.strictEqual(doubting.reason._tag, "BackendUnavailable")
      assert.strictEqual(yield* told(port, ""), "")
      const bad = yield* Effect.flip(serve({ tls: { key: "no key", cert } }))
      assert.strictEqual(bad.reason, "ListenFailed")
    })
  )
})
