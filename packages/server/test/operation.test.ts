/** What operators see of a server, and what they never see. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { assert, describe, it } from "@effect/vitest"
import { Capsule, CapsuleClient, CapsuleExec } from "@effect-exec/capsule"
import { LocalExec } from "@effect-exec/local"
import { ShFixtures } from "@effect-exec/testing"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import { client, guarded, serve, token } from "./guarded.ts"
import { connect, helloOf } from "./rawClient.ts"

const fixtures = ShFixtures.make()

/** All that is logged, as JSON. */
const logging = () => {
  const lines: Array<string> = []
  const logger = Logger.map(Logger.formatJson, (line) => void lines.push(line))
  const layer = Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "All"))
  const find = (words: string) => lines.filter((line) => line.includes(words)).map((line) => JSON.parse(line))
  return { lines, layer, find }
}

/** All spans. */
const tracing = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  return { spans, layer: Layer.succeed(Tracer.Tracer, tracer) }
}

describe("logs", () => {
  it.live("say who did what where, and hold no secret", () => {
    const { find, layer, lines } = logging()
    return Effect.gen(function* () {
      const secret = "s3cr3t"
      const auth = { alice: Redacted.make(`${secret}-token`) }
      const server = yield* CapsuleServer.make({ auth, templates: { local: LocalExec.layer } })
      const { url } = server
      const capsules = CapsuleClient.layer({ url, token: auth.alice })
      yield* Effect.gen(function* () {
        const { exec } = yield* Capsule.make({ template: "local", id: "place" })
        const command = Command.make("echo", [`${secret}-argument`], { env: { KEY: `${secret}-variable` } })
        yield* exec.run(command, { stdin: `${secret}-stdin` })
        const detached = yield* exec.detach(command, { tag: "job" })
        yield* detached.wait()
        yield* Effect.flip(exec.run(Command.make("no-such-program", [`${secret}-argument`])))
        yield* Effect.flip(exec.run(Command.make("echo", [], { cwd: `/${secret}-directory` })))
      }).pipe(Effect.scoped, Effect.provide(capsules))
      const wrong = CapsuleExec.layer({ url, token: Redacted.make(`${secret}-wrong`) })
      yield* Effect.flip(Effect.provide(Exec.run(fixtures.exit(0)), wrong))
      const raw = yield* connect(url)
      yield* raw.send(helloOf("f", { token: `${secret}-wrong` }))
      yield* raw.closed
      while ((yield* server.sessions) > 0) yield* Effect.sleep(5)

      const [made] = find("A capsule was made")
      assert.deepInclude(made.annotations, { client: "alice", capsule: "place", template: "local" })
      const [asked] = find("A command was asked for")
      assert.deepInclude(asked.annotations, { client: "alice", capsule: "place", program: "echo" })
      assert.strictEqual(find("A command was asked for, detached")[0].annotations.tag, "job")
      const [away] = find("Turned away")
      assert.deepInclude(away.annotations, { reason: "unauthorized", address: "127.0.0.1" })
      assert.lengthOf(find("A client has come"), 1)
      assert.lengthOf(find("A client has gone"), 1)
      assert.lengthOf(find("A capsule has ended"), 1)
      const all = lines.join("\n")
      assert.notInclude(all, secret)
      assert.notInclude(all, "f".repeat(32))
    }).pipe(Effect.provide(layer))
  })

  it.live("are not filled by strangers", () => {
    const { find, layer } = logging()
    return Effect.gen(function* () {
      const { ask } = yield* guarded()
      yield* Effect.all(
        Array.from({ length: 100 }, () => ask("/capsules", {}, "wrong")),
        { concurrency: 10 }
      )
      assert.isBelow(find("Turned away").length, 50)
    }).pipe(Effect.provide(layer))
  })
})

describe("traces", () => {
  it.live("go on at the server: the span of a command is a child of its client's", () => {
    const server = tracing()
    const own = tracing()
    return Effect.gen(function* () {
      const { url } = yield* Effect.provide(serve(), server.layer)
      const program = Effect.gen(function* () {
        yield* Exec.run(fixtures.exit(0))
        const process = yield* Exec.detach(fixtures.exit(0))
        yield* process.wait()
      })
      yield* program.pipe(
        Effect.withSpan("program"),
        Effect.provide(Layer.provide(CapsuleExec.layer({ url }), own.layer)),
        Effect.provide(own.layer)
      )
      const named = (spans: ReadonlyArray<Tracer.NativeSpan>, name: string) => spans.find((span) => span.name === name)!
      for (const [asked, done] of [
        ["Exec.run", "CapsuleServer.Start"],
        ["Exec.detach", "CapsuleServer.Detach"]
      ] as const) {
        const client = named(own.spans, asked)
        const span = named(server.spans, done)
        assert.strictEqual(span.traceId, client.traceId)
        assert.strictEqual(span.parent._tag === "Some" && span.parent.value.spanId, client.spanId)
        assert.strictEqual(span.attributes.get("process.executable.name"), "/bin/sh")
      }
    })
  })
})

describe("metrics", () => {
  it.live("count who is there, what runs and who was turned away, in the format of Prometheus", () =>
    Effect.gen(function* () {
      const { ask, url } = yield* guarded()
      const read = (text: string, name: string) => Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1] ?? 0)
      const before = (yield* ask("/metrics")).text
      yield* Effect.provide(Exec.run(fixtures.exit(0)), client(url))
      yield* ask("/capsules", {}, "wrong")
      const after = (yield* ask("/metrics")).text
      const grown = (name: string) => read(after, name) - read(before, name)
      assert.strictEqual(read(after, "capsule_connections"), 1)
      assert.strictEqual(read(after, "capsule_sessions"), 1)
      assert.strictEqual(read(after, "capsule_capsules"), 1)
      assert.strictEqual(grown("capsule_sessions_total"), 1)
      assert.isAtLeast(grown("exec_processes_total"), 1)
      assert.strictEqual(grown(`capsule_refused_total{reason="unauthorized"}`), 1)
      assert.notInclude(after, Redacted.value(token))
    })
  )

  it.live("health is for everybody, and says nothing else", () =>
    Effect.gen(function* () {
      const { ask } = yield* guarded()
      const { status, text } = yield* ask("/healthz", {}, "wrong")
      assert.deepStrictEqual([status, text], [200, `{"status":"ok"}`])
    })
  )
})
