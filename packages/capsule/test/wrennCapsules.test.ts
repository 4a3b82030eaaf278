/** Capsules of the Wrenn service as resources, and their files, against both of its generations. */
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { assert, describe, it } from "@effect/vitest"
import * as Command from "effect-exec/Command"
import * as Exec from "effect-exec/Exec"
import * as WrennCapsule from "../src/WrennCapsule.ts"
import * as WrennClient from "../src/WrennClient.ts"
import * as WrennExec from "../src/WrennExec.ts"
import { clientOf, failsWith } from "./wrenn.ts"
import { envelope, generations, key, make, type Service } from "./wrennService.ts"

for (const generation of generations) {
  const serving = <A, E, R>(use: (service: Service) => Effect.Effect<A, E, R>) =>
    Effect.flatMap(make(generation), (service) => Effect.provide(use(service), clientOf(service)))

  describe(`WrennCapsule, service ${generation}`, () => {
    it.live("make creates, waits until it runs, and destroys with its scope", () =>
      serving((service) =>
        Effect.gen(function* () {
          const scope = yield* Scope.make()
          const options = { template: "minimal", vcpus: 2, memoryMb: 256, idleTimeout: "1500 millis" } as const
          const capsule = yield* Scope.provide(WrennCapsule.make(options), scope)
          assert.deepStrictEqual(service.bodies("POST "), [
            { template: "minimal", vcpus: 2, memory_mb: 256, timeout_sec: 2 }
          ])
          assert.strictEqual((yield* capsule.info).status, "running")
          assert.isTrue((yield* capsule.exec.run(Command.make("true"))).ok)
          yield* capsule.ping
          assert.isTrue(service.asked.some(({ route }) => route === "POST /ping"))
          yield* Scope.close(scope, Exit.void)
          assert.strictEqual(service.statuses.get(capsule.id), "stopped")
          yield* failsWith(WrennCapsule.connect(capsule.id), "SandboxNotRunning")
          yield* Effect.scoped(WrennCapsule.make({ idleTimeout: Infinity }))
          assert.deepStrictEqual(service.bodies("POST ").at(-1), { timeout_sec: 0 })
        })
      )
    )

    it.live("pause and resume are done when they return; connect resumes what is paused, and ends nothing", () =>
      serving((service) =>
        Effect.gen(function* () {
          const capsule = yield* WrennCapsule.connect(service.capsule)
          yield* capsule.pause
          assert.strictEqual(service.statuses.get(service.capsule), "paused")
          const { state } = yield* failsWith(capsule.exec.run(Command.make("true")), "SandboxNotRunning")
          assert.strictEqual(state, "paused")
          // The first one minds that it is so already.
          yield* generation === "0.1" ? failsWith(capsule.pause, "SandboxNotRunning") : capsule.pause
          yield* capsule.resume
          assert.isTrue((yield* capsule.exec.run(Command.make("true"))).ok)
          yield* failsWith(capsule.resume, "SandboxNotRunning")
          yield* capsule.pause
          yield* Effect.scoped(
            Effect.flatMap(WrennCapsule.connect(service.capsule), ({ exec }) => exec.run(Command.make("true")))
          )
          assert.strictEqual(service.statuses.get(service.capsule), "running")
          const ids = (yield* WrennCapsule.list).map(({ id }) => id)
          assert.deepStrictEqual(ids, [service.capsule])
          yield* WrennCapsule.destroy(service.capsule)
          assert.strictEqual((yield* capsule.info).status, "stopped")
        })
      )
    )

    it.live("what cannot be made says why; what can no more be destroyed keeps nobody", () =>
      serving((service) =>
        Effect.gen(function* () {
          const { field } = yield* failsWith(WrennCapsule.make({ template: "nonsense" }), "InvalidCommand")
          assert.strictEqual(field, "template")
          yield* failsWith(WrennCapsule.make({ idleTimeout: -1 }), "InvalidCommand")
          const full = generation === "0.1" ? "no_hosts_available" : "capacity_unavailable"
          service.instead("POST ", { status: 503, body: envelope(generation, full, "no hosts") })
          yield* failsWith(WrennCapsule.make(), "LimitReached")
          for (const asked of [
            WrennCapsule.connect("cl-nowhere"),
            WrennCapsule.destroy("cl-nowhere"),
            Effect.flatMap(WrennClient.WrennClient, ({ get }) => get("cl-nowhere")),
            Effect.flatMap(WrennClient.WrennClient, ({ ping }) => ping("cl-nowhere"))
          ]) {
            yield* failsWith(asked, "SandboxNotFound")
          }
          service.instead("DELETE ", { status: 500 })
          yield* Effect.scoped(WrennCapsule.make())
          service.instead("GET ", { status: 200, body: { id: "x", status: "error" } })
          yield* failsWith(WrennCapsule.make(), "SandboxNotRunning")
        })
      )
    )

    it.live("layers take their place from configuration, and run commands in a capsule of their own or in one", () =>
      serving((service) =>
        Effect.gen(function* () {
          const settings = { baseUrl: Config.String("URL"), apiKey: Config.Redacted("KEY") }
          const env = ConfigProvider.layer(
            ConfigProvider.fromEnv({ env: { URL: service.url, KEY: key, CAPSULE: service.capsule } })
          )
          const run = Effect.map(Exec.run(Command.make("pwd")), ({ stdout }) => stdout.trim())
          const home = Fs.realpathSync(service.home)
          const exec = WrennExec.layerConfig({ ...settings, capsuleId: Config.String("CAPSULE") })
          assert.strictEqual(yield* run.pipe(Effect.provide(exec), Effect.provide(env)), home)
          const client = WrennClient.layerConfig(settings)
          for (const layer of [WrennCapsule.layer(), WrennCapsule.layerConnect(service.capsule)]) {
            const whole = layer.pipe(Layer.provide(client), Layer.provide(env))
            assert.strictEqual(yield* Effect.provide(run, whole), home)
          }
          assert.deepStrictEqual([...service.statuses.values()], ["running", "stopped"])
        })
      )
    )

    it.live("files are written with their directories, read, listed, made and removed, byte for byte", () =>
      serving((service) =>
        Effect.gen(function* () {
          const { files } = yield* WrennCapsule.connect(service.capsule)
          const { home } = service
          const read = (path: string) =>
            Effect.map(Stream.runCollect(files.read(path)), (chunks) => Buffer.concat(chunks))
          const bytes = randomBytes(300_000)
          const parts = Stream.fromIterable(Array.from({ length: 3 }, (_, n) => bytes.subarray(n * 1e5, (n + 1) * 1e5)))
          yield* files.write(`${home}/a/b c/"x"`, parts)
          assert.isTrue((yield* read(`${home}/a/b c/"x"`)).equals(bytes))
          yield* files.write("text", "é\r\n--")
          assert.strictEqual((yield* read("text")).toString(), "é\r\n--")
          yield* files.write("empty", new Uint8Array())
          assert.strictEqual((yield* read("empty")).length, 0)
          const entries = yield* files.list(home, 2)
          assert.sameMembers(
            entries.map(({ path, size, type }) => `${type} ${path.slice(home.length)} ${type === "file" ? size : ""}`),
            ["directory /a ", "directory /a/b c ", "file /text 6", "file /empty 0"]
          )
          assert.strictEqual((yield* files.list(home)).length, 3)
          const made = yield* files.makeDirectory("d/e")
          assert.deepStrictEqual([made.name, made.type], ["e", "directory"])
          // For the service nothing is `null`.
          assert.deepStrictEqual(yield* files.list("d/e"), [])
          yield* files.remove("d")
          assert.isFalse(Fs.existsSync(`${home}/d`))
        })
      )
    )

    it.live("what is wrong with a file is an error of the platform's; with the way to it, one of ours", () =>
      serving((service) =>
        Effect.gen(function* () {
          const client = yield* WrennClient.WrennClient
          const files = client.files(service.capsule)
          const tagOf = <A>(effect: Effect.Effect<A, unknown>) =>
            Effect.map(Effect.flip(effect), (error) => {
              const { _tag, reason } = error as { readonly _tag: string; readonly reason: { readonly _tag: string } }
              return `${_tag}: ${reason._tag}`
            })
          const read = Stream.runDrain(files.read("nothing"))
          assert.strictEqual(yield* tagOf(read), "PlatformError: NotFound")
          assert.strictEqual(yield* tagOf(files.remove("nothing")), "PlatformError: NotFound")
          assert.strictEqual(yield* tagOf(files.list("nothing")), "PlatformError: NotFound")
          yield* files.makeDirectory("d")
          assert.strictEqual(yield* tagOf(files.makeDirectory("d")), "PlatformError: AlreadyExists")
          const refused: ReadonlyArray<readonly [status: number, code: string, tag: string]> = [
            [400, "invalid_request", "PlatformError: BadResource"],
            [403, "forbidden", "PlatformError: PermissionDenied"],
            [413, generation === "0.1" ? "too_large" : "payload_too_large", "PlatformError: Unknown"],
            [502, "agent_error", "PlatformError: Unknown"],
            [401, "unauthorized", "ExecError: BackendUnavailable"],
            [503, "host_unavailable", "ExecError: BackendUnavailable"]
          ]
          for (const [status, code, tag] of refused) {
            service.instead("POST /files/stream/write", { status, body: envelope(generation, code, "it is so") })
            assert.strictEqual(yield* tagOf(files.write("x", "x")), tag)
          }
          assert.strictEqual(yield* tagOf(client.files("cl-nowhere").write("x", "x")), "ExecError: SandboxNotFound")
          service.instead("POST /files/stream/read", "cut")
          assert.strictEqual(yield* tagOf(read), "ExecError: BackendUnavailable")
          // The content's own failure is that, and not what becomes of the request.
          const failing = Stream.concat(Stream.succeed(Buffer.from("some")), Stream.fail("mine" as const))
          const failure = yield* Effect.flip(files.write("x", failing))
          assert.strictEqual(failure, "mine")
          assert.isTrue(Option.isNone(yield* Effect.option(Stream.runDrain(files.read("x")))))
        })
      )
    )
  })
}
