/** Random work for a capsule whose every byte is checked: nothing lost, doubled or altered, nothing started twice. */
import { createHash, randomBytes, randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert } from "@effect/vitest"
import { ShFixtures } from "@effect-exec/testing"
import type { Command } from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"

const fixtures = ShFixtures.make()

/** Random numbers that a seed repeats. */
export const randomOf = (seed: number) => {
  let state = seed
  return (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

const hash = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

const pieces = (bytes: Uint8Array, random: (below: number) => number) => {
  const all: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length;) {
    const size = 1 + random(100_000)
    all.push(bytes.subarray(at, at + size))
    at += size
  }
  return Stream.fromIterable(all).pipe(Stream.rechunk(1))
}

/** Works for as long as `goOn` says, some tasks at a time, and gives what was checked. */
export const work = Effect.fnUntraced(function* (folder: string, seed: number, goOn: () => boolean) {
  const exec = yield* Exec.Exec
  const random = randomOf(seed)
  const done = { tasks: 0, stdout: 0, stderr: 0, stdin: 0, signals: 0 }

  // A line for each time that it was started.
  const counted = (name: string, command: Command): Command => ({
    ...command,
    argv: [
      "/bin/sh",
      "-c",
      'echo started >>"$1"; shift; exec "$@"',
      "counted",
      Path.join(folder, name),
      ...command.argv
    ]
  })
  const large = () => random(1_500_000)
  const options = { timeout: "2 minutes", maxOutput: Infinity } as const

  const output = Effect.fnUntraced(function* (name: string) {
    const fd = random(2) === 0 ? 1 : 2
    const size = large()
    const result = yield* exec.run(counted(name, fixtures.random(size, fd)), options)
    const [bytes, other] = fd === 1 ? [result.stdoutBytes, result.stderr] : [result.stderrBytes, result.stdout]
    assert.strictEqual(bytes.length, size)
    assert.strictEqual(other.slice(0, 64), hash(bytes))
    done[fd === 1 ? "stdout" : "stderr"] += size
  })

  const input = Effect.fnUntraced(function* (name: string) {
    const bytes = randomBytes(large())
    const result = yield* exec.run(counted(name, fixtures.sha256), { ...options, stdin: pieces(bytes, random) })
    assert.strictEqual(result.stdout.slice(0, 64), hash(bytes))
    done.stdin += bytes.length
  })

  const both = Effect.fnUntraced(function* (name: string) {
    const bytes = randomBytes(large())
    const result = yield* exec.run(counted(name, fixtures.cat), { ...options, stdin: pieces(bytes, random) })
    assert.strictEqual(hash(result.stdoutBytes), hash(bytes))
    done.stdin += bytes.length
    done.stdout += bytes.length
  })

  const followed = Effect.fnUntraced(function* (name: string) {
    const size = large()
    const process = yield* exec.detach(counted(name, fixtures.random(size, 1)), {
      ring: 65_536,
      overflow: "block",
      tag: name
    })
    const digest = createHash("sha256")
    let length = 0
    let said = ""
    yield* Stream.runForEach(process.events({ lag: "block" }), (event) =>
      Effect.sync(() => {
        assert.notStrictEqual(event._tag, "Gap")
        if (event._tag === "Stderr") said += Buffer.from(event.bytes).toString()
        if (event._tag !== "Stdout") return
        digest.update(event.bytes)
        length += event.bytes.length
      })
    )
    assert.strictEqual(length, size)
    assert.strictEqual(said.slice(0, 64), digest.digest("hex"))
    done.stdout += size
  })

  const signalled = Effect.fnUntraced(function* (name: string) {
    const process = yield* exec.spawn(counted(name, fixtures.signals(["USR1"])), { grace: 500 })
    let sent = 0
    let seen = 0
    // Each is sent when the one before it was seen: what is pending is not counted twice by the kernel.
    yield* Exec.lines(process.events).pipe(
      Stream.takeUntilEffect((line) =>
        Effect.gen(function* () {
          if (line === "GOT USR1") seen++
          if (seen === 4) return true
          if (seen === sent) yield* process.signal("SIGUSR1")
          sent = seen + 1
          return false
        })
      ),
      Stream.runDrain
    )
    assert.strictEqual(seen, sent)
    done.signals += sent
  }, Effect.scoped)

  const task = Effect.suspend(() => {
    const name = `t${randomUUID()}`
    const kinds = [output, output, input, both, followed, signalled]
    return Effect.map(kinds[random(kinds.length)]!(name), () => {
      assert.strictEqual(readFileSync(Path.join(folder, name), "utf8"), "started\n")
      done.tasks++
    })
  })
  const worker = Effect.gen(function* () {
    while (goOn()) yield* task
  })
  yield* Effect.all([worker, worker, worker, worker, worker, worker], { concurrency: "unbounded", discard: true })
  return done
})
