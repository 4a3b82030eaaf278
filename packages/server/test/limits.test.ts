/** Every limit: who goes one over it is told so, in a way that programs understand, and his neighbour does not notice. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { assert, describe, it } from "@effect/vitest"
import { CapsuleExec } from "@effect-exec/capsule"
import * as Frame from "@effect-exec/capsule/Frame"
import { LocalExec } from "@effect-exec/local"
import { ShFixtures } from "@effect-exec/testing"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import type { Limits } from "../src/Limits.ts"
import { client, guarded, serve, token } from "./guarded.ts"
import { connect, helloOf, startOf } from "./rawClient.ts"

const fixtures = ShFixtures.make()

const reasonOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if (!ExecError.isExecError(error)) throw new Error(`no ExecError: ${String(error)}`)
    return error.reason
  })

const hello = (session: string) => helloOf(session, { token: Redacted.value(token) })

const invalid = (field: string) => (reason: ExecError.Reason) =>
  assert.deepStrictEqual(reason._tag === "InvalidCommand" && reason.field, field)

const reached = (reason: ExecError.Reason) => assert.strictEqual(reason._tag, "LimitReached")

describe("limits", () => {
  it.live("connections: one more is closed with 4429, a client of ours gets LimitReached", () =>
    Effect.gen(function* () {
      const { undisturbed, url } = yield* guarded({ limits: { connections: 2 } })
      const second = yield* connect(url)
      yield* second.send(hello("a"))
      yield* second.sees("Welcome")
      assert.strictEqual(yield* Effect.flatMap(connect(url), (third) => third.closed), 4429)
      reached(yield* reasonOf(Effect.provide(Exec.run(fixtures.exit(0)), client(url))))
      yield* second.send("bye")
      yield* second.closed
      assert.strictEqual((yield* Effect.provide(Exec.run(fixtures.exit(3)), client(url))).exitCode, 3)
      yield* undisturbed
    })
  )

  it.live("sessions: one more is closed with 4429, a client of ours gets LimitReached", () =>
    Effect.gen(function* () {
      const { undisturbed, url } = yield* guarded({ limits: { sessions: 1 } })
      const raw = yield* connect(url)
      yield* raw.send(hello("a"))
      assert.strictEqual(yield* raw.closed, 4429)
      reached(yield* reasonOf(Effect.provide(Exec.run(fixtures.exit(0)), client(url))))
      yield* undisturbed
    })
  )

  it.live("capsules: one more is LimitReached, until one has ended", () =>
    Effect.gen(function* () {
      const templates = { local: LocalExec.layer }
      const { url } = yield* CapsuleServer.make({ auth: token, templates, limits: { capsules: 2 } })
      const ask = (method: string, path: string, body?: object) =>
        Effect.promise(async () => {
          const headers = { authorization: `Bearer ${Redacted.value(token)}` }
          const init = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
          const response = await fetch(url.replace("ws", "http") + path, init)
          return [response.status, await response.text()] as const
        })
      const create = (id: string) => ask("POST", "/capsules", { template: "local", id })
      assert.deepStrictEqual([(yield* create("a"))[0], (yield* create("b"))[0]], [201, 201])
      const [status, text] = yield* create("c")
      assert.strictEqual(status, 429)
      assert.include(text, "LimitReached")
      assert.strictEqual((yield* create("b"))[0], 201)
      const neighbour = CapsuleExec.layer({ url: `${url}/capsules/b`, token })
      assert.strictEqual((yield* Effect.provide(Exec.run(fixtures.exit(3)), neighbour)).exitCode, 3)
      assert.strictEqual((yield* ask("DELETE", "/capsules/a"))[0], 204)
      assert.strictEqual((yield* create("c"))[0], 201)
    })
  )

  it.live("processes of a capsule, attached and detached: one more is LimitReached, until one has ended", () =>
    Effect.gen(function* () {
      // One is the neighbour's.
      const { list, undisturbed, url } = yield* guarded({ limits: { processes: 3 } })
      yield* Effect.gen(function* () {
        const detached = yield* Exec.detach(Command.make("sleep", ["300"]))
        yield* Exec.spawn(fixtures.hang)
        reached(yield* reasonOf(Exec.run(fixtures.exit(0))))
        reached(yield* reasonOf(Exec.detach(fixtures.exit(0))))
        reached(yield* reasonOf(Exec.spawn(fixtures.exit(0))))
        assert.strictEqual((yield* list()).length, 1)
        yield* detached.kill()
        yield* detached.wait()
        const again = Effect.retry(Exec.run(fixtures.exit(3)), { while: (error) => error.isRetryable })
        assert.strictEqual((yield* again).exitCode, 3)
      }).pipe(Effect.scoped, Effect.provide(client(url)))
      yield* undisturbed
    })
  )

  it.live("channels of a session: one more is LimitReached, and the session goes on", () =>
    Effect.gen(function* () {
      const { undisturbed, url } = yield* guarded({ limits: { channels: 2 } })
      yield* Effect.gen(function* () {
        yield* Exec.spawn(fixtures.hang)
        yield* Effect.gen(function* () {
          yield* Exec.spawn(fixtures.hang)
          reached(yield* reasonOf(Exec.run(fixtures.exit(0))))
        }).pipe(Effect.scoped)
        assert.strictEqual((yield* Exec.run(fixtures.exit(3))).exitCode, 3)
      }).pipe(Effect.scoped, Effect.provide(client(url)))
      yield* undisturbed
    })
  )

  const sizes: ReadonlyArray<readonly [string, Partial<Limits>, (more: number) => Command.Command]> = [
    ["cwd", { path: 6 }, (more) => Command.make("true", [], { cwd: `/${"./".repeat(1 + more)}tmp` })],
    ["user", { path: 4 }, (more) => Command.make("true", [], { user: "root".repeat(1 + more) })],
    ["env", { environment: 8 }, (more) => Command.make("true", [], { env: { LONG: "0123".repeat(1 + more) } })]
  ]
  for (const [field, limits, command] of sizes) {
    it.live(`bytes of ${field}: one more is InvalidCommand, for what would be attached and detached`, () =>
      Effect.gen(function* () {
        const { list, undisturbed, url } = yield* guarded({ limits: { ...limits } })
        yield* Effect.gen(function* () {
          assert.strictEqual((yield* Exec.run(command(0))).exitCode, 0)
          invalid(field)(yield* reasonOf(Exec.run(command(1))))
          invalid(field)(yield* reasonOf(Exec.detach(command(1))))
        }).pipe(Effect.provide(client(url)))
        assert.deepStrictEqual(yield* list(), [])
        yield* undisturbed
      })
    )
  }

  it.live("bytes of a ring, and the time to heed TERM: one more is InvalidCommand", () =>
    Effect.gen(function* () {
      const { undisturbed, url } = yield* guarded({ limits: { ring: 1_000, termination: 3_000 } })
      yield* Effect.gen(function* () {
        invalid("ring")(yield* reasonOf(Exec.detach(fixtures.exit(0), { ring: 1_001 })))
        invalid("grace")(yield* reasonOf(Exec.run(fixtures.exit(0), { grace: 3_001 })))
        invalid("grace")(yield* reasonOf(Exec.detach(fixtures.exit(0), { ring: 1_000, grace: "1 hour" })))
        const process = yield* Exec.detach(fixtures.exit(0), { ring: 1_000, grace: 3_000 })
        yield* process.wait()
      }).pipe(Effect.provide(client(url)))
      yield* undisturbed
    })
  )

  it.live("bytes of a message: one more is closed with 1009, and what the session had is ended", () =>
    Effect.gen(function* () {
      const { undisturbed, url } = yield* guarded({ limits: { message: 10_000 } })
      const raw = yield* connect(url)
      yield* raw.send(hello("a"))
      yield* raw.send(startOf(1, ["sleep", "300"]))
      yield* raw.sees("Started")
      yield* raw.send("x".repeat(10_001))
      assert.strictEqual(yield* raw.closed, 1009)
      yield* undisturbed
    })
  )

  it.live("bytes of a request's body: one more is answered with 413", () =>
    Effect.gen(function* () {
      const { ask, undisturbed } = yield* guarded({ limits: { body: 100 } })
      const { status, text } = yield* ask("/capsules", { method: "POST", body: "x".repeat(101) })
      assert.strictEqual(status, 413)
      assert.include(text, "LimitReached")
      const head = yield* ask("/healthz", { headers: { "x-long": "x".repeat(20_000) } })
      assert.strictEqual(head.status, 431)
      yield* undisturbed
    })
  )

  it.live("silence: who is not heard for longer is closed with 4408, and may come back", () =>
    Effect.gen(function* () {
      const { goesOn, undisturbed, url } = yield* guarded({ limits: { silence: 300 } })
      // Who is heard is no concern of this limit.
      let isOver = false
      const talk = Effect.repeat(Effect.andThen(goesOn, Effect.sleep(20)), { until: () => isOver })
      const talking = yield* Effect.forkScoped(talk)
      const raw = yield* connect(url)
      yield* raw.send(hello("a"))
      yield* raw.send(startOf(1, ["sleep", "300"]))
      yield* raw.sees("Started")
      assert.strictEqual(yield* raw.closed, 4408)
      const again = yield* connect(url)
      yield* again.send(helloOf("a", { token: Redacted.value(token), resume: true }))
      yield* again.sees("Started")
      yield* again.send("bye")
      assert.strictEqual(yield* again.closed, 4400)
      isOver = true
      yield* Fiber.join(talking)
      yield* undisturbed
    })
  )

  it.live("messages that a client does not acknowledge: more than are kept end its session", () =>
    Effect.gen(function* () {
      const { undisturbed, url } = yield* guarded({ limits: { kept: 10_000 } })
      const raw = yield* connect(url)
      yield* raw.send(hello("a"))
      for (let channel = 1; channel <= 200; channel++) yield* raw.send(`{"_tag":"Describe","channel":${channel}}`)
      assert.strictEqual(yield* raw.closed, 4429)
      yield* undisturbed
    })
  )

  it.live("messages in a second: a client that sends more is read more slowly, and loses none", () =>
    Effect.gen(function* () {
      const { goesOn, url } = yield* guarded({ limits: { messages: 100 } })
      const raw = yield* connect(url)
      yield* raw.send(hello("a"))
      const count = 250
      const started = performance.now()
      for (let channel = 1; channel <= count; channel++) {
        yield* raw.send(`{"_tag":"Describe","channel":${channel}}`)
        // What comes in one piece is taken in one piece.
        yield* Effect.sleep(0)
      }
      yield* goesOn
      yield* raw.sees(`"channel":${count},`)
      assert.isAbove(performance.now() - started, 1_000)
      assert.strictEqual(raw.frames.filter((it) => typeof it === "string" && it.includes("Described")).length, count)
    })
  )

  it.live("a client that asks for answers without end and reads none is let go of before that costs memory", () =>
    Effect.gen(function* () {
      const { goesOn, url } = yield* guarded({ limits: { messages: 1e9 } })
      const raw = yield* connect(url)
      yield* raw.send(hello("a"))
      yield* raw.sees("Welcome")
      const ping = Frame.encode(Frame.kinds.ping, 0, 1)
      // As a frame of a client's, masked with zeros.
      const frame = Buffer.concat([Buffer.from([0x82, 0x80 + ping.length, 0, 0, 0, 0]), ping])
      yield* raw.deaf(Buffer.concat(Array.from({ length: 10_000 }, () => frame)))
      yield* goesOn
    })
  )

  it.live("what a server says of its limits is what a client keeps to", () =>
    Effect.gen(function* () {
      const { url } = yield* serve({ limits: { stdinWindow: 4_096 } })
      const result = yield* Exec.run(fixtures.sha256, { stdin: new Uint8Array(1024 * 1024) }).pipe(
        Effect.provide(CapsuleExec.layer({ url }))
      )
      assert.strictEqual(result.exitCode, 0)
    })
  )
})
