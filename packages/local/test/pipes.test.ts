import { createHash } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { PassThrough } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Command } from "effect-exec"
import { Output } from "../src/internal/output.ts"
import { eventually, numbers, portable, readAll, readUntil, request, run, spawn, temporary } from "./support.ts"

/** The event loop has looked at all files once. */
const turn = Effect.promise(() => new Promise<void>((go) => setImmediate(go)))

const bytes = (text: string) => new TextEncoder().encode(text)

describe("output", () => {
  it.live("comes from both streams in the order observed", () =>
    Effect.gen(function* () {
      // Each word is written only when the one before has been read.
      const script = "for w in a b c d; do echo $w; read x; echo $w >&2; read x; done"
      const running = yield* spawn(Command.shell(script), { stdin: "pipe" })
      const seen: Array<string> = []
      const read = Effect.forever(
        Effect.flatMap(running.pull, (some) => {
          for (const { fd, bytes } of some) seen.push(`${fd}${Buffer.from(bytes)}`)
          return running.write(bytes("\n"))
        })
      )
      yield* Effect.flip(read)
      assert.strictEqual(seen.join(""), "1a\n2a\n1b\n2b\n1c\n2c\n1d\n2d\n")
    })
  )
  it.live("keeps its order while nobody pulls", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.shell("for w in a b c; do echo $w; read x; echo $w >&2; read x; done"), {
        stdin: "pipe"
      })
      const first = yield* running.pull
      // The shell reads byte by byte, and blocks in between until this process has seen what it wrote before.
      for (let line = 0; line < 5; line++) {
        yield* running.write(bytes("\n"))
        yield* eventually(() => Fs.readFileSync(`/proc/${running.pid}/wchan`, "utf8") !== "0")
        for (let index = 0; index < 20; index++) yield* turn
      }
      yield* running.closeStdin
      const { outputs } = yield* readAll(running)
      const seen = [...first, ...outputs].map(({ fd, bytes }) => `${fd}${Buffer.from(bytes)}`)
      assert.strictEqual(seen.join(""), "1a\n2a\n1b\n2b\n1c\n2c\n")
    })
  )
  it.live("is the receiver's own: a plain array that shares its memory with nothing", () =>
    Effect.gen(function* () {
      const { outputs } = yield* run(
        Command.shell("for i in 1 2 3 4 5 6 7 8; do echo $i; done; head -c 300000 /dev/zero")
      )
      for (const { bytes } of outputs) {
        assert.strictEqual(Object.getPrototypeOf(bytes), Uint8Array.prototype)
        assert.strictEqual(bytes.buffer.byteLength, bytes.byteLength)
      }
    })
  )
  it.live("is no part of the pool that Node's small buffers share", () =>
    Effect.gen(function* () {
      const stream = new PassThrough()
      const { pull } = new Output(stream, new PassThrough())
      const pooled = Buffer.from("pooled")
      assert.isAbove(pooled.buffer.byteLength, pooled.byteLength)
      stream.write(pooled)
      const [{ bytes: received }] = yield* pull
      assert.strictEqual(received.buffer.byteLength, pooled.byteLength)
      assert.strictEqual(Buffer.from(received).toString(), "pooled")
    })
  )
  it.live("C23 a process whose output nobody pulls stops, and goes on with the pulling", () =>
    Effect.gen(function* () {
      const counter = Path.join(yield* temporary, "counter")
      // Counts the blocks that it got rid of, 1 MiB in all.
      const script = `i=0; while [ $i -lt 256 ]; do head -c 4096 /dev/zero; i=$((i+1)); echo $i > '${counter}'; done`
      const running = yield* spawn(Command.shell(script))
      const blocks = () => Number(Fs.existsSync(counter) ? Fs.readFileSync(counter, "utf8") : 0)
      const isBlocked = () =>
        Fs.readFileSync(`/proc/${running.pid}/task/${running.pid}/children`, "utf8")
          .split(" ")
          .filter(Boolean)
          .some((pid) => {
            try {
              return /alloc_send|pipe_w/.test(Fs.readFileSync(`/proc/${pid}/wchan`, "utf8"))
            } catch {
              return false
            }
          })
      yield* eventually(isBlocked)
      const stopped = blocks()
      assert.isBelow(stopped, 256)
      const { stdout } = yield* readAll(running)
      assert.strictEqual(stdout.length, 1024 * 1024)
      assert.strictEqual(blocks(), 256)
    })
  )
  it.live("is lost by no interruption of a pull", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.shell("seq 1 200000; seq 200001 400000 >&2"))
      const seen = { 1: "", 2: "" }
      const take = Effect.map(running.pull, (some) => {
        for (const { fd, bytes } of some) seen[fd] += Buffer.from(bytes)
      })
      for (let round = 0; ; round++) {
        const fiber = yield* Effect.forkChild(Effect.exit(Effect.forever(take)), { startImmediately: true })
        for (let index = 0; index < round % 4; index++) yield* Effect.yieldNow
        if (round % 3 === 0) yield* turn
        const done = fiber.pollUnsafe() !== undefined
        yield* Fiber.interrupt(fiber)
        if (done) break
      }
      const lines = (from: number, to: number) =>
        Array.from({ length: to - from + 1 }, (_, i) => `${from + i}\n`).join("")
      assert.isTrue(seen[1] === lines(1, 200_000))
      assert.isTrue(seen[2] === lines(200_001, 400_000))
    })
  )
  it.live("closed: a pull that waits ends, although somebody outside of the tree's knowledge holds the pipe", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.shell("echo hi; sleep 1000 & exit 0"))
      yield* running.exited
      assert.strictEqual(yield* readUntil(running, /\n/), "hi\n")
      const waiting = yield* Effect.forkChild(Effect.flip(running.pull), { startImmediately: true })
      assert.isUndefined(waiting.pollUnsafe())
      yield* running.closeOutput
      yield* Fiber.join(waiting)
    })
  )
  it.live("closed: what was read already is still given", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.shell("echo hi; sleep 1000 & exit 0"))
      yield* running.exited
      // It was in the kernel's buffer before the exit was, so that two turns of the event loop have read it.
      yield* turn
      yield* turn
      yield* running.closeOutput
      yield* running.closeOutput
      assert.strictEqual((yield* readAll(running)).stdout, "hi\n")
    })
  )
})

describe("stdin", () => {
  it.live("C9 writing to a process that has closed it, or has exited, is ProcessExited and no crash", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.shell("exec <&-; echo READY; exec sleep 1000"), { stdin: "pipe" })
      yield* readUntil(running, /READY/)
      const error = yield* Effect.flip(running.write(bytes("x")))
      assert.deepInclude(error.reason, { _tag: "ProcessExited", id: "test" })
      const gone = yield* spawn(Command.make("true"), { stdin: "pipe" })
      yield* gone.exited
      assert.strictEqual((yield* Effect.flip(gone.write(bytes("x")))).reason._tag, "ProcessExited")
      yield* gone.closeStdin
    })
  )
  it.live("C9 a write that waits for room ends when the process does", () =>
    Effect.gen(function* () {
      const running = yield* spawn(Command.make("sleep", ["1000"]), { stdin: "pipe" })
      const write = yield* Effect.forkChild(Effect.flip(running.write(new Uint8Array(8 << 20))), {
        startImmediately: true
      })
      assert.isUndefined(write.pollUnsafe())
      yield* running.signal("SIGKILL", "process")
      assert.strictEqual((yield* Fiber.join(write)).reason._tag, "ProcessExited")
    })
  )
  it.live("C9 waits while the process does not read, and leaves no listeners behind", () =>
    Effect.gen(function* () {
      const warnings: Array<Error> = []
      const listen = (warning: Error) => void warnings.push(warning)
      process.on("warning", listen)
      yield* Effect.addFinalizer(() => Effect.sync(() => process.off("warning", listen)))
      const running = yield* spawn(Command.shell("read x; sha256sum"), { stdin: "pipe" })
      yield* running.write(bytes("go\n"))
      for (let block = 0; block < 200; block++) yield* running.write(new Uint8Array(64 * 1024))
      yield* running.closeStdin
      yield* running.closeStdin
      assert.strictEqual((yield* Effect.flip(running.write(bytes("x")))).reason._tag, "ProcessExited")
      const { stdout } = yield* readAll(running)
      assert.include(
        stdout,
        createHash("sha256")
          .update(new Uint8Array(200 * 64 * 1024))
          .digest("hex")
      )
      assert.deepStrictEqual(warnings, [])
    })
  )
})

describe("when the scope closes", () => {
  it.live("no file descriptor, process or handle is left after 200 spawns", () =>
    Effect.gen(function* () {
      const backend = yield* portable()
      const one = Effect.scoped(
        Effect.gen(function* () {
          const running = yield* backend.spawn(
            request(Command.shell("echo $$; sleep 1000 & read x"), { stdin: "pipe" })
          )
          const [pid] = numbers(yield* readUntil(running, /\n/))
          return pid!
        })
      )
      const count = () => Fs.readdirSync("/proc/self/fd").length
      yield* one
      const before = count()
      const handles = process.getActiveResourcesInfo().length
      const pids = yield* Effect.all(
        Array.from({ length: 200 }, () => one),
        { concurrency: 10 }
      )
      assert.strictEqual(count(), before)
      assert.isTrue(pids.every((pid) => !Fs.existsSync(`/proc/${pid}`)))
      // Node lists what it closes for some turns more.
      for (let turn = 0; turn < 500 && process.getActiveResourcesInfo().length > handles + 1; turn++) {
        yield* Effect.sleep(10)
      }
      assert.isAtMost(process.getActiveResourcesInfo().length, handles + 1)
    })
  )
})
