/** What the engine by itself gets wrong: bytes of a paused reader, its neighbours meanwhile, and trees that escape. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Random } from "effect"
import { Command, Exec, ProcessId, type Backend } from "effect-exec"
import * as Container from "../src/Container.ts"
import { available, docker, foreign, images } from "./engine.ts"

const image = images.busybox
const megabyte = 1024 * 1024

const request = (command: Command.Command): Backend.SpawnRequest => ({
  id: ProcessId.make(`test-${Math.random()}`),
  command,
  stdin: "none",
  lingering: "kill"
})

const hashOf = (chunks: ReadonlyArray<Uint8Array>): string => {
  const hash = createHash("sha256")
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest("hex")
}

const seconds = (since: number) => (performance.now() - since) / 1000

/** Takes one chunk, pauses, then takes the rest. */
const paused = Effect.fnUntraced(function* (backend: Backend.Backend, size: number, pause: number) {
  const running = yield* backend.spawn(request(Command.shell(`yes 0123456789abcde | head -c ${size}`)))
  const chunks = (yield* running.pull).map(({ bytes }) => bytes)
  yield* Effect.sleep(pause)
  yield* running.pull.pipe(
    Effect.map((outputs) => void chunks.push(...outputs.map(({ bytes }) => bytes))),
    Effect.forever,
    Effect.catchCause(() => Effect.void)
  )
  assert.deepStrictEqual(yield* running.exited, { _tag: "Exited", code: 0 })
  const expected = Buffer.from("0123456789abcde\n".repeat(size / 16 + 1)).subarray(0, size)
  const got = chunks.reduce((sum, { length }) => sum + length, 0)
  assert.strictEqual(hashOf(chunks), hashOf([expected]))
  return size - got
})

describe.runIf(available)("exactness", () => {
  const places = [
    ["our own container", Container.make({ image })],
    ["somebody's container", Effect.flatMap(foreign(image), (container) => Container.get({ container }))]
  ] as const

  for (const [place, container] of places) {
    it.live(`C23 ${place}: a reader paused for 7 s loses nothing and holds up nobody`, () =>
      Effect.gen(function* () {
        const { backend } = yield* container
        const exec = yield* Exec.make(backend)
        const sizes = Array.from({ length: 11 }, (_, index) => Math.round((1 + index / 10) * megabyte))
        const readers = yield* Effect.forkScoped(
          Effect.forEach(sizes, (size) => paused(backend, size, 7000), { concurrency: "unbounded" })
        )
        const times: Array<number> = []
        const start = performance.now()
        while (seconds(start) < 6.5) {
          const before = performance.now()
          assert.isTrue((yield* exec.run(Command.make("true"))).ok)
          times.push(seconds(before) * 1000)
          yield* Effect.sleep(50)
        }
        const lost = (yield* Fiber.join(readers)).reduce((sum, bytes) => sum + bytes, 0)
        times.sort((a, b) => a - b)
        const median = times[Math.floor(times.length / 2)]!
        console.log(
          `${place}: ${sizes.length} sizes from 1.0 to 2.0 MiB, ${lost} bytes lost; ` +
            `${times.length} other commands meanwhile, median ${median.toFixed(1)} ms, most ${times.at(-1)!.toFixed(1)} ms`
        )
        assert.strictEqual(lost, 0)
        assert.isBelow(median, 500)
      })
    )

    it.live(`${place}: after 1,000 random interrupts of trees that escape nothing is left`, () =>
      Effect.gen(function* () {
        const { backend, id } = yield* container
        const exec = yield* Exec.make(backend)
        const trees = [
          "setsid sleep 301 & setsid sleep 301 & sleep 301",
          "setsid sh -c 'sleep 301 & exit' & sh -c 'sh -c \"sleep 301 & exit\" & exit'; sleep 301",
          "env -i setsid /bin/sh -c '/bin/sleep 301 & exec /bin/sleep 301' & sleep 301",
          "trap '' TERM; setsid sh -c \"trap '' TERM; sleep 301 & sleep 301\" & sleep 301"
        ]
        yield* Effect.forEach(
          Array.from({ length: 1000 }, (_, index) => index),
          (index) =>
            Effect.gen(function* () {
              const tree = Command.shell(trees[index % trees.length]!)
              const running = yield* Effect.forkChild(exec.run(tree, { grace: 50 }))
              yield* Effect.sleep(yield* Random.nextIntBetween(0, 120))
              yield* Fiber.interrupt(running)
            }),
          { concurrency: 16, discard: true }
        )
        const { stdout } = yield* exec.run(Command.make("ps", ["-o", "args"]))
        assert.notMatch(stdout, /sleep 301/)
        assert.notMatch(yield* Effect.promise(() => docker("top", id)), /sleep 301/)
      })
    )
  }
})
