/** Slow engines are waited for, however long it takes; engines that do nothing are not. */
import type * as Http from "node:http"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Stream } from "effect"
import type { ExecError } from "effect-exec"
import * as DockerClient from "../src/DockerClient.ts"
import { writeFile } from "../src/internal/archive.ts"
import { type Answer, serve } from "./fakeEngine.ts"

/** How long it may do nothing in these tests, and how long it takes there when it is only slow. */
const deadlineMillis = 800
const slowMillis = 1.5 * deadlineMillis
const step = 40

const clientOf = (answer: Answer) => Effect.map(serve(answer), (host) => DockerClient.make({ host, deadlineMillis }))

const timedOut = <A>(effect: Effect.Effect<A, ExecError.ExecError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => {
    assert.strictEqual(reason._tag, "BackendUnavailable")
    assert.strictEqual(reason.detail?.code, "ETIMEDOUT")
    assert.match(reason.message, /in time/)
  })

/** Sends small pieces until it has taken long enough. */
const trickle = async (response: Http.ServerResponse, piece: string | Uint8Array) => {
  let sent = 0
  for (const begun = performance.now(); performance.now() - begun < slowMillis; sent++) {
    response.write(piece)
    await sleep(step)
  }
  response.end()
  return sent
}

const size = 8 * 1024 * 1024

describe.concurrent("an engine", () => {
  it.live("that takes an archive slowly gets all of it", () =>
    Effect.gen(function* () {
      let got = 0
      const client = yield* clientOf(async (request, response) => {
        const begun = performance.now()
        for await (const chunk of request) {
          got += (chunk as Buffer).length
          const isDue = (performance.now() - begun) / slowMillis < got / size
          if (isDue) await sleep(step)
        }
        response.end()
      })
      const begun = performance.now()
      yield* client.putArchive("c", "/", new Uint8Array(size))
      assert.strictEqual(got, size)
      assert.isAbove(performance.now() - begun, deadlineMillis)
    })
  )

  it.live("that stops taking an archive is given up", () =>
    Effect.gen(function* () {
      const client = yield* clientOf((request) => void request.once("data", () => request.pause()))
      yield* timedOut(client.putArchive("c", "/", new Uint8Array(size)))
    })
  )

  it.live("that takes all of it and does not answer is given up", () =>
    Effect.gen(function* () {
      const client = yield* clientOf((request) => void request.resume())
      yield* timedOut(client.putArchive("c", "/", new Uint8Array(1000)))
    })
  )

  it.live("waits for whoever makes the archive", () =>
    Effect.gen(function* () {
      let got = 0
      const client = yield* clientOf(async (request, response) => {
        for await (const chunk of request) got += (chunk as Buffer).length
        response.end()
      })
      const slow = async function* () {
        yield new Uint8Array(10)
        await sleep(slowMillis)
        yield new Uint8Array(10)
      }
      yield* client.putArchive("c", "/", slow())
      assert.strictEqual(got, 20)
    })
  )

  it.live("that sends slowly is read to the end", () =>
    Effect.gen(function* () {
      const sent = Deferred.makeUnsafe<number>()
      const client = yield* clientOf(async (_, response) => {
        Deferred.doneUnsafe(sent, Effect.succeed(await trickle(response, "x")))
      })
      const chunks = yield* Stream.runCollect(client.getArchive("c", "/x"))
      assert.strictEqual(Buffer.concat(chunks).length, yield* Deferred.await(sent))
    })
  )

  it.live("waits for a reader that pauses", () =>
    Effect.gen(function* () {
      const client = yield* clientOf((_, response) => void response.end(new Uint8Array(size)))
      let got = 0
      yield* Stream.runForEach(client.getArchive("c", "/x"), (chunk) =>
        Effect.suspend(() => {
          const isFirst = got === 0
          got += chunk.length
          return isFirst ? Effect.sleep(slowMillis) : Effect.void
        })
      )
      assert.strictEqual(got, size)
    })
  )

  it.live("that stops in the middle of what it sends is given up, after what did come", () =>
    Effect.gen(function* () {
      const client = yield* clientOf((_, response) => void response.write("first"))
      let got = ""
      yield* timedOut(
        Stream.runForEach(client.getArchive("c", "/x"), (chunk) =>
          Effect.sync(() => void (got += new TextDecoder().decode(chunk)))
        )
      )
      assert.strictEqual(got, "first")
    })
  )

  it.live("that pulls slowly is waited for, also where it says nothing for a while", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(async (_, response) => {
        response.write('{"status":"Verifying Checksum","id":"a"}\n')
        await sleep(slowMillis)
        await trickle(response, '{"status":"Extracting","id":"a","progressDetail":{"current":1,"total":2}}\n')
      })
      const progress = yield* Stream.runCollect(client.pull("image"))
      assert.deepStrictEqual(progress[0], {
        status: "Verifying Checksum",
        id: "a",
        current: undefined,
        total: undefined
      })
      assert.deepStrictEqual(progress.at(-1), { status: "Extracting", id: "a", current: 1, total: 2 })
    })
  )

  it.live("that does not answer is given up", () =>
    Effect.gen(function* () {
      const client = yield* clientOf(() => {})
      const calls = [client.inspectContainer("c"), client.startContainer("c"), client.inspectImage("i")]
      yield* Effect.forEach(calls, timedOut, { concurrency: "unbounded", discard: true })
    })
  )

  it.live("is let go of at once by whoever is interrupted", () =>
    Effect.gen(function* () {
      const asked = Deferred.makeUnsafe<void>()
      const left = Deferred.makeUnsafe<void>()
      const client = yield* clientOf((_, response) => {
        response.write("first")
        Deferred.doneUnsafe(asked, Effect.void)
        response.once("close", () => Deferred.doneUnsafe(left, Effect.void))
      })
      const reading = yield* Effect.forkChild(Stream.runDrain(client.getArchive("c", "/x")))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(reading)
      yield* Deferred.await(left)
    })
  )

  it.live("that refuses a file ends the stream that makes it", () =>
    Effect.gen(function* () {
      const client = yield* clientOf((_, response) => {
        response.writeHead(404).end(JSON.stringify({ message: "Could not find the file /none in container c" }))
      })
      const ended = Deferred.makeUnsafe<void>()
      const bytes = Stream.make(new Uint8Array(10)).pipe(
        Stream.concat(Stream.never),
        Stream.ensuring(Effect.sync(() => Deferred.doneUnsafe(ended, Effect.void)))
      )
      const content = { bytes, size: 20 }
      const error = yield* Effect.flip(writeFile(client, "c", "/none/x", content, { uid: 0, gid: 0 }))
      assert.strictEqual(error.reason._tag, "NotFound")
      yield* Deferred.await(ended)
    })
  )
})

describe("a program", () => {
  it.live("that was itself held up does not blame the engine", () =>
    Effect.gen(function* () {
      const client = yield* clientOf((_, response) => {
        // Whatever is due now is late, and the answer is not here yet.
        for (const begun = performance.now(); performance.now() - begun < slowMillis;);
        response.end("x")
      })
      assert.strictEqual((yield* Stream.runCollect(client.getArchive("c", "/x"))).length, 1)
    })
  )
})
