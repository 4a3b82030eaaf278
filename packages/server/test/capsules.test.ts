/** Capsules as places: made of templates, found by their ids, gone with their scope, or when nobody uses them. */
import { createHash } from "node:crypto"
import { existsSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert, describe, it } from "@effect/vitest"
import { Capsule, CapsuleClient } from "@effect-exec/capsule"
import { LocalExec } from "@effect-exec/local"
import { ShFixtures } from "@effect-exec/testing"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import * as CapsuleServer from "../src/CapsuleServer.ts"

const fixtures = ShFixtures.make()

const closed = ExecError.make(new ExecError.SandboxNotFound({ sandbox: "image" }))

/** A place to run commands in that counts how many of it there are. */
const counted = () => {
  const open = { now: 0 }
  const count = Effect.acquireRelease(
    Effect.sync(() => open.now++),
    () => Effect.sync(() => open.now--)
  )
  return { open, template: Layer.merge(LocalExec.layerTemporary(), Layer.effectDiscard(count)) }
}

const serving = Effect.fnUntraced(function* (options: Partial<CapsuleServer.Options> = {}) {
  const { open, template } = counted()
  const templates = {
    local: template,
    broken: Layer.effect(Exec.Exec, Effect.fail("no such thing")),
    failing: Layer.effect(
      Exec.Exec,
      Effect.map(Exec.Exec, (exec) => ({ ...exec, capabilities: Effect.fail(closed) }))
    ).pipe(Layer.provide(LocalExec.layer))
  }
  const server = yield* CapsuleServer.make({ ...options, templates })
  return { ...server, open, client: CapsuleClient.layer({ url: server.url }) }
})

const reasonOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.flip(effect), (error) => {
    if (!ExecError.isExecError(error)) throw new Error(`no ExecError: ${String(error)}`)
    return error.reason
  })

const until = (fact: () => boolean) =>
  Effect.gen(function* () {
    while (!fact()) yield* Effect.sleep(10)
  })

const here = <A, E>(effect: Effect.Effect<A, E, Exec.Exec>) => Effect.provide(effect, LocalExec.layer)

const alive = (pid: number) => Effect.map(here(Exec.run(fixtures.alive([pid]))), ({ stdout }) => stdout !== "")

describe("capsules", () => {
  it.live("a capsule is made, runs commands in a place of its own, and is gone with its scope", () =>
    Effect.gen(function* () {
      const { client, open } = yield* serving()
      const scope = yield* Scope.make()
      const [home, pid] = yield* Effect.gen(function* () {
        const one = yield* Capsule.make({ template: "local" })
        const two = yield* Capsule.make({ template: "local" })
        assert.strictEqual(open.now, 2)
        assert.sameMembers(
          (yield* Capsule.list).map(({ id }) => id),
          [one.id, two.id]
        )
        yield* one.writeFile("mine", "one")
        assert.strictEqual((yield* two.exec.run(Command.shell("ls; pwd"))).stdout.split("\n").length, 2)
        const { stdout } = yield* one.exec.run(Command.shell("ls; pwd"))
        const [file, home] = stdout.split("\n")
        assert.strictEqual(file, "mine")
        return [home!, (yield* one.exec.detach(Command.make("sleep", ["300"]))).pid] as const
      }).pipe(Scope.provide(scope), Effect.provide(client))
      assert.isTrue(yield* alive(pid))
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(open.now, 0)
      assert.isFalse(yield* alive(pid))
      assert.isFalse(existsSync(home))
    })
  )

  it.live("as a layer it runs a program that knows nothing of capsules", () =>
    Effect.gen(function* () {
      const { client, open } = yield* serving()
      const program = Exec.run(Command.shell("echo $((6 * 7))"))
      const layer = Layer.provide(Capsule.layer({ template: "local" }), client)
      assert.strictEqual((yield* Effect.provide(program, layer)).stdout, "42\n")
      assert.strictEqual(open.now, 0)
    })
  )

  it.live("another client finds it by its id, and a process in it by its tag; going away ends neither", () =>
    Effect.gen(function* () {
      const { client, open } = yield* serving()
      yield* Effect.gen(function* () {
        const capsule = yield* Capsule.make({ template: "local", id: "shared" })
        yield* capsule.exec.detach(Command.shell("echo ready; exec sleep 300"), { tag: "server" })
        const other = Layer.provide(Capsule.layerConnect("shared"), client)
        const line = yield* Exec.lines(Exec.connect("server")).pipe(Stream.runHead, Effect.provide(other))
        assert.deepStrictEqual(line._tag === "Some" && line.value, "ready")
        assert.strictEqual((yield* capsule.exec.list()).length, 1)
      }).pipe(Effect.scoped, Effect.provide(client))
      assert.strictEqual(open.now, 0)
    })
  )

  it.live("creating twice with one id creates once, also at the same time", () =>
    Effect.gen(function* () {
      const { client, open } = yield* serving()
      yield* Effect.gen(function* () {
        const { create } = yield* CapsuleClient.CapsuleClient
        const all = yield* Effect.all(
          Array.from({ length: 5 }, () => create({ template: "local", id: "one" })),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(new Set(all.map(({ id }) => id)), new Set(["one"]))
        assert.strictEqual(open.now, 1)
        const other = yield* reasonOf(create({ template: "failing", id: "one" }))
        assert.strictEqual(other._tag === "InvalidCommand" && other.field, "id")
      }).pipe(Effect.provide(client))
    })
  )

  it.live("what cannot be made fails with why: no such template, one that fails, one that does not start", () =>
    Effect.gen(function* () {
      const { client } = yield* serving()
      const reason = (template: string) =>
        Effect.scoped(reasonOf(Capsule.make({ template }))).pipe(Effect.provide(client))
      const unknown = yield* reason("nonsense")
      assert.strictEqual(unknown._tag, "InvalidCommand")
      assert.include(unknown.message, "broken")
      assert.strictEqual((yield* reason("broken"))._tag, "BackendUnavailable")
      assert.strictEqual((yield* reason("failing"))._tag, "SandboxNotFound")
      assert.deepStrictEqual(yield* Effect.provide(Capsule.list, client), [])
      const badId = yield* Effect.scoped(reasonOf(Capsule.make({ template: "local", id: "a/b" }))).pipe(
        Effect.provide(client)
      )
      assert.strictEqual(badId._tag === "InvalidCommand" && badId.field, "id")
      const nobody = yield* Effect.scoped(reasonOf(Capsule.connect("nobody"))).pipe(Effect.provide(client))
      assert.strictEqual(nobody._tag === "SandboxNotFound" && nobody.sandbox, "nobody")
    })
  )

  it.live("a server without templates has its one capsule, which nobody can destroy", () =>
    Effect.gen(function* () {
      const { url } = yield* Effect.provide(CapsuleServer.make(), yield* Layer.build(LocalExec.layer))
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(
          (yield* Capsule.list).map(({ id }) => id),
          ["main"]
        )
        assert.strictEqual((yield* reasonOf(Capsule.destroy("main")))._tag, "InvalidCommand")
        assert.strictEqual((yield* reasonOf(Capsule.make({ template: "local" })))._tag, "InvalidCommand")
        const { exec } = yield* Capsule.connect("main")
        assert.strictEqual((yield* exec.run(fixtures.exit(3))).exitCode, 3)
      }).pipe(Effect.provide(CapsuleClient.layer({ url })))
    })
  )

  it.live("C62 destroyed by another: what runs there fails with SandboxNotFound, and its tree is gone", () =>
    Effect.gen(function* () {
      const { client, open } = yield* serving()
      yield* Effect.gen(function* () {
        const capsule = yield* Capsule.make({ template: "local" })
        const process = yield* capsule.exec.spawn(fixtures.hang)
        const running = yield* Effect.forkChild(reasonOf(Stream.runDrain(process.events)), { startImmediately: true })
        yield* Capsule.destroy(capsule.id)
        const reason = yield* Fiber.join(running)
        assert.strictEqual(reason._tag === "SandboxNotFound" && reason.sandbox, capsule.id)
        assert.isFalse(yield* alive(process.pid))
        assert.strictEqual(open.now, 0)
        assert.strictEqual((yield* reasonOf(Capsule.destroy(capsule.id)))._tag, "SandboxNotFound")
        assert.strictEqual((yield* reasonOf(capsule.exec.run(fixtures.exit(0))))._tag, "SandboxNotFound")
      }).pipe(Effect.scoped, Effect.provide(client))
    })
  )

  it.live("interrupting make leaves no capsule", () =>
    Effect.gen(function* () {
      const { client, open } = yield* serving()
      const all = Effect.provide(Capsule.list, client)
      for (let round = 0; round < 20; round++) {
        const fiber = yield* Effect.forkChild(
          Effect.provide(Effect.scoped(Capsule.make({ template: "local" })), client)
        )
        yield* Effect.sleep(round)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* all, [])
        assert.strictEqual(open.now, 0)
      }
    })
  )

  it.live("an idle capsule ends; one with a client does not, nor one in which a process runs", () =>
    Effect.gen(function* () {
      const { client, open } = yield* serving({
        idleTimeout: "300 millis",
        // Who goes in peace is not expected back.
        limits: { grace: 3_600_000 }
      })
      yield* Effect.gen(function* () {
        const { create } = yield* CapsuleClient.CapsuleClient
        yield* create({ template: "local", id: "idle" })
        yield* create({ template: "local", id: "patient", idleTimeout: "1 hour" })
        yield* create({ template: "local", id: "busy" })
        const process = yield* Effect.scoped(
          Effect.flatMap(Capsule.connect("busy"), ({ exec }) =>
            exec.detach(Command.make("sleep", ["300"]), { tag: "t" })
          )
        )
        yield* create({ template: "local", id: "used" })
        const used = yield* Scope.make()
        yield* Scope.provide(Capsule.connect("used"), used)
        yield* until(() => open.now === 3)
        // Several looks later the others are still there.
        yield* Effect.sleep(600)
        assert.sameMembers(
          (yield* Capsule.list).map(({ id }) => id),
          ["patient", "busy", "used"]
        )
        yield* Scope.close(used, Exit.void)
        yield* until(() => open.now === 2)
        yield* Effect.scoped(Effect.flatMap(Capsule.connect("busy"), ({ exec }) => exec.kill("t")))
        yield* until(() => open.now === 1)
        assert.isFalse(yield* alive(process.pid))
      }).pipe(Effect.provide(client))
    })
  )

  it.live("a server that shuts down tells the clients and ends all capsules", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { client, open } = yield* Scope.provide(serving(), scope)
      yield* Effect.gen(function* () {
        const capsule = yield* Capsule.make({ template: "local" })
        const attached = yield* capsule.exec.spawn(fixtures.hang)
        const detached = yield* capsule.exec.detach(Command.make("sleep", ["300"]))
        const running = yield* Effect.forkChild(reasonOf(Stream.runDrain(attached.events)), { startImmediately: true })
        yield* Scope.close(scope, Exit.void)
        const reason = yield* Fiber.join(running)
        assert.deepStrictEqual([reason._tag, reason.detail?.code], ["ConnectionLost", "1001"])
        assert.strictEqual(open.now, 0)
        assert.isFalse(yield* alive(attached.pid))
        assert.isFalse(yield* alive(detached.pid))
        assert.strictEqual((yield* reasonOf(Capsule.list))._tag, "BackendUnavailable")
      }).pipe(Effect.scoped, Effect.provide(client))
    })
  )
})

describe("files", () => {
  const size = 32 * 1024 * 1024
  const bytes = Stream.range(0, size / 65_536 - 1).pipe(
    Stream.rechunk(1),
    Stream.map((n) => new Uint8Array(65_536).fill(n))
  )
  const sha256 = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
    Effect.map(
      Stream.runFold(
        stream,
        () => createHash("sha256"),
        (hash, part) => hash.update(part)
      ),
      (hash) => hash.digest("hex")
    )
  const capsule = Effect.gen(function* () {
    const { client } = yield* serving()
    return yield* Effect.provide(Capsule.make({ template: "local" }), client)
  })

  it.live("are written from streams and read as streams, exactly", () =>
    Effect.gen(function* () {
      const { readFile, writeFile } = yield* capsule
      yield* writeFile("large", bytes)
      assert.strictEqual(yield* sha256(readFile("large")), yield* sha256(bytes))
      yield* writeFile("large", new Uint8Array([0, 255, 10]))
      assert.deepStrictEqual(yield* Stream.runCollect(readFile("large")), [new Uint8Array([0, 255, 10])])
      yield* writeFile("large", "")
      assert.deepStrictEqual(yield* Stream.runCollect(readFile("large")), [])
    })
  )

  it.live("may have any name", () =>
    Effect.gen(function* () {
      const { readFile, writeFile } = yield* capsule
      for (const name of ["two words", "-n", "--", "a\nb", "$HOME", "*", "ü→", "'quoted'"]) {
        yield* writeFile(name, name)
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(readFile(name))), name)
      }
    })
  )

  it.live("that cannot be written or read say why", () =>
    Effect.gen(function* () {
      const { exec, readFile, writeFile } = yield* capsule
      yield* exec.run(Command.shell("mkdir folder"))
      const tags = (path: string) =>
        Effect.all(
          [writeFile(path, "x"), Stream.runDrain(readFile(path))].map((effect) =>
            Effect.map(Effect.flip(effect), (error) => error.reason._tag)
          )
        )
      assert.deepStrictEqual(yield* tags("missing/file"), ["NotFound", "NotFound"])
      assert.deepStrictEqual(yield* tags("folder"), ["BadResource", "BadResource"])
      const error = yield* Effect.flip(Stream.runDrain(readFile("missing")))
      assert.strictEqual(error.reason._tag, "NotFound")
    })
  )

  it.live("a stream that fails in the middle is what writeFile fails with", () =>
    Effect.gen(function* () {
      const { writeFile } = yield* capsule
      const failing = Stream.concat(Stream.take(bytes, 3), Stream.fail("no more" as const))
      assert.strictEqual(yield* Effect.flip(writeFile("part", failing)), "no more")
    })
  )
})
