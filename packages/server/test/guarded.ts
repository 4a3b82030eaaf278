/** A server with a client at work on it, who must not notice what others do. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { CapsuleExec } from "@effect-exec/capsule"
import { LocalExec } from "@effect-exec/local"
import { ShFixtures } from "@effect-exec/testing"
import * as Exec from "effect-exec/Exec"
import * as CapsuleServer from "../src/CapsuleServer.ts"

const fixtures = ShFixtures.make()

/** What its clients have to show. */
export const token = Redacted.make("right")

/** A client of it. */
export const client = (url: string, shown: Redacted.Redacted<string> | undefined = token) =>
  CapsuleExec.layer({ url, token: shown })

/** Serves this machine. */
export const serve = (options: CapsuleServer.Options = {}) =>
  Effect.flatMap(Layer.build(LocalExec.layer), (local) => Effect.provide(CapsuleServer.make(options), local))

/** Such a server. `goesOn` says that its client does; `undisturbed`, too, that nobody else has anything there any more. */
export const guarded = Effect.fnUntraced(function* (options: CapsuleServer.Options = {}) {
  const local = yield* Layer.build(LocalExec.layer)
  const server = yield* Effect.provide(CapsuleServer.make({ auth: token, ...options }), local)
  const http = server.url.replace("ws", "http")
  const neighbour = yield* Layer.build(client(server.url))
  const process = yield* Effect.provide(Exec.spawn(fixtures.cat, { stdin: "open" }), neighbour)
  const lines = yield* Stream.toPull(Exec.lines(process.events))
  const { list } = yield* Effect.provide(Exec.Exec, local)

  const ask = (path: string, init: RequestInit = {}, shown = Redacted.value(token)) =>
    Effect.promise(async () => {
      const headers = { authorization: `Bearer ${shown}`, ...(init.headers as Record<string, string> | undefined) }
      const response = await fetch(http + path, { ...init, headers })
      const text = await response.text()
      return { status: response.status, header: (name: string) => response.headers.get(name), text }
    })

  let round = 0
  const goesOn = Effect.gen(function* () {
    const line = `still here ${round++}`
    yield* process.write(`${line}\n`)
    assert.deepStrictEqual(yield* lines, [line])
  })
  const undisturbed = Effect.gen(function* () {
    while ((yield* server.sessions) > 1) yield* Effect.sleep(5)
    yield* goesOn
    assert.deepStrictEqual(yield* list(), [])
  })
  return { ...server, http, ask, goesOn, list, neighbour, undisturbed }
})
