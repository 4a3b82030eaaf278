/** What a stranger may send: answered by a close code, nothing started by mistake, nobody else disturbed. */
import { randomBytes } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { assert, describe, it } from "@effect/vitest"
import { CapsuleExec } from "@effect-exec/capsule"
import * as Frame from "@effect-exec/capsule/Frame"
import { LocalExec } from "@effect-exec/local"
import { ShFixtures } from "@effect-exec/testing"
import * as Exec from "effect-exec/Exec"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import { connect, helloOf, startOf } from "./rawClient.ts"

const fixtures = ShFixtures.make()
const serve = (options?: CapsuleServer.Options) =>
  Effect.map(Layer.build(Layer.provide(CapsuleServer.layer(options), LocalExec.layer)), (context) =>
    Context.get(context, CapsuleServer.CapsuleServer)
  )

describe("wrong frames", () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<string | Uint8Array>, number]> = [
    ["a first frame that is no Hello", ["hello?"], 4400],
    ["a first frame that is binary", [Frame.encode(1, 1, 0, new Uint8Array(1))], 4400],
    ["a session that is not known", [helloOf("1", { resume: true })], 4410],
    ["no JSON", [helloOf("2"), "{"], 4400],
    ["an unknown message", [helloOf("3"), `{"_tag":"Later","channel":1}`], 4400],
    ["a server's message", [helloOf("4"), `{"_tag":"Done","channel":1}`], 4400],
    ["output", [helloOf("5"), startOf(1, ["sleep", "60"]), Frame.encode(1, 1, 0, new Uint8Array(1))], 4400],
    ["a channel that was used", [helloOf("6"), startOf(2, ["true"]), startOf(2, ["true"])], 4400],
    [
      "stdin for what has none",
      [helloOf("7"), startOf(1, ["sleep", "60"]), Frame.encode(0, 1, 0, new Uint8Array(1))],
      4400
    ],
    [
      "stdin that does not follow",
      [helloOf("8"), startOf(1, ["sleep", "60"], { stdin: "open" }), Frame.encode(0, 1, 5, new Uint8Array(1))],
      4400
    ],
    [
      "stdin beyond credit",
      [
        helloOf("9"),
        startOf(1, ["sleep", "60"], { stdin: "open" }),
        ...Array.from({ length: 40 }, (_, n) => Frame.encode(0, 1, n * 65_536, new Uint8Array(65_536)))
      ],
      4400
    ],
    ["more credit than there can be", [helloOf("a"), startOf(1, ["sleep", "60"]), Frame.encode(3, 1, 2 ** 49)], 4400],
    ["an acknowledgement of what was never sent", [helloOf("b"), Frame.encode(4, 0, 99)], 4400],
    ["a text frame over the limit", [helloOf("c"), "x".repeat(4 * 1024 * 1024 + 1)], 1009]
  ]
  for (const [title, frames, code] of cases) {
    it.live(`${title}: ${code}, and the neighbours go on`, () =>
      Effect.gen(function* () {
        const { url } = yield* serve()
        const neighbour = yield* Layer.build(CapsuleExec.layer({ url })).pipe(
          Effect.flatMap((context) => Effect.provide(Exec.spawn(fixtures.cat, { stdin: "open" }), context))
        )
        const raw = yield* connect(url)
        for (const frame of frames) yield* raw.send(frame)
        assert.strictEqual(yield* raw.closed, code)
        yield* neighbour.write("still here\n")
        const line = yield* Stream.runHead(Exec.lines(neighbour.events))
        assert.strictEqual(line._tag === "Some" ? line.value : undefined, "still here")
      })
    )
  }

  it.live("random frames never end the server, nor leave anything", () =>
    Effect.gen(function* () {
      const { sessions, url } = yield* serve()
      for (let round = 0; round < 50; round++) {
        const raw = yield* connect(url)
        if (round % 2 === 0) yield* raw.send(helloOf(round.toString(16)))
        const frame = randomBytes(1 + ((round * 37) % 300))
        if (round % 3 === 0) frame[0] = round % 8
        yield* raw.send(round % 5 === 0 ? frame.toString("latin1") : frame)
        yield* raw.send(`{"_tag":"Start","channel":${round}}`)
        yield* raw.closed
      }
      assert.strictEqual(yield* sessions, 0)
      const result = yield* Exec.run(fixtures.exit(7)).pipe(Effect.provide(CapsuleExec.layer({ url })))
      assert.strictEqual(result.exitCode, 7)
    })
  )

  it.live("what the session had attached is ended with it", () =>
    Effect.gen(function* () {
      const local = yield* Layer.build(LocalExec.layer)
      const { url } = yield* Effect.provide(CapsuleServer.make(), local)
      const raw = yield* connect(url)
      yield* raw.send(helloOf("d"))
      yield* raw.send(startOf(1, ["/bin/sh", "-c", "sleep 300 & sleep 300"], {}))
      const started = JSON.parse(yield* raw.sees(`"Started"`)) as { readonly pid: number }
      yield* raw.send("wrong")
      assert.strictEqual(yield* raw.closed, 4400)
      const isDead = Effect.map(
        Effect.provide(Exec.run(fixtures.alive([started.pid])), local),
        ({ stdout }) => stdout === ""
      )
      while (!(yield* isDead)) yield* Effect.sleep(10)
    })
  )

  it.live("a client without the token is refused, and told how to mend it", () =>
    Effect.gen(function* () {
      const { url } = yield* serve({ auth: Redacted.make("right") })
      for (const token of [undefined, Redacted.make("wrong"), Redacted.make("")]) {
        const error = yield* Effect.flip(
          Exec.run(fixtures.exit(0)).pipe(Effect.provide(CapsuleExec.layer({ url, token })))
        )
        assert.strictEqual("reason" in error ? error.reason._tag : undefined, "BackendUnavailable")
        assert.include(error.message, "token")
      }
      const right = CapsuleExec.layer({ url, token: Redacted.make("right") })
      assert.strictEqual((yield* Exec.run(fixtures.exit(3)).pipe(Effect.provide(right))).exitCode, 3)
    })
  )
})
