/** The pipe of a container of our own: a socket on this machine, and the engine's stream wherever that does not work. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Command } from "effect-exec"
import * as Container from "../src/Container.ts"
import * as DockerClient from "../src/DockerClient.ts"
import * as DockerExec from "../src/DockerExec.ts"
import * as Owner from "../src/internal/owner.ts"
import * as Rendezvous from "../src/internal/rendezvous.ts"
import { available, images } from "./engine.ts"

interface Body {
  readonly HostConfig: { readonly Mounts: ReadonlyArray<{ readonly Source: string }> }
}

/** A client of the real engine that changes what is mounted, and counts what the engine's stream carries. */
const watched = (change: (mount: Body["HostConfig"]["Mounts"][number]) => object = (mount) => mount) => {
  const client = DockerClient.make({})
  const seen = { bytes: 0, sources: new Array<string>() }
  const it: DockerClient.DockerClient = {
    ...client,
    createContainer: (body) => {
      const { HostConfig } = body as unknown as Body
      seen.sources.push(...HostConfig.Mounts.map(({ Source }) => Source))
      return client.createContainer({ ...body, HostConfig: { ...HostConfig, Mounts: HostConfig.Mounts.map(change) } })
    },
    attach: (id) =>
      Effect.map(client.attach(id), (stream) => ({
        ...stream,
        read: (take) =>
          stream.read((chunk) => {
            seen.bytes += chunk.length
            return take(chunk)
          })
      }))
  }
  return { client: it, seen }
}

const million = Effect.gen(function* () {
  const exec = yield* Effect.flatMap(Container.make({ image: images.busybox }), DockerExec.make)
  const { stdout } = yield* exec.run(Command.shell("head -c 1000000 /dev/zero | tr '\\0' x"))
  return stdout
}).pipe(Effect.scoped)

describe.runIf(available)("the pipe of a container of our own", () => {
  it.live("is a socket: the engine's stream carries next to nothing", () =>
    Effect.gen(function* () {
      const { client, seen } = watched()
      assert.strictEqual(
        yield* Effect.provideService(million, DockerClient.DockerClient, client),
        "x".repeat(1_000_000)
      )
      assert.isBelow(seen.bytes, 1000)
      assert.lengthOf(seen.sources, 1)
      assert.isFalse(Fs.existsSync(seen.sources[0]!))
    })
  )

  it.live("leaves commands nothing but a directory that is empty and closed", () =>
    Effect.gen(function* () {
      const exec = yield* Effect.flatMap(Container.make({ image: images.busybox }), DockerExec.make)
      const { stderr, stdout } = yield* exec.run(Command.shell("ls -A /run/effect-exec; touch /run/effect-exec/x"))
      assert.strictEqual(stdout, "")
      assert.match(stderr, /Permission denied/)
    })
  )

  it.live("what a program left that was killed is removed", () =>
    Effect.gen(function* () {
      const make = (owner: string) => Fs.mkdtempSync(Path.join(Os.tmpdir(), `effect-exec-${owner}-`))
      const [mine, abandoned] = [make(Owner.name()), make(Owner.name().replace(/\d+$/, "1"))]
      yield* Rendezvous.sweep
      assert.isFalse(Fs.existsSync(abandoned))
      assert.isTrue(Fs.existsSync(mine))
      Fs.rmdirSync(mine)
    })
  )

  let elsewhere = ""
  beforeAll(() => {
    elsewhere = Fs.mkdtempSync(Path.join(Os.tmpdir(), "effect-exec-test-"))
    Fs.chmodSync(elsewhere, 0o777)
  })
  afterAll(() => Fs.rmSync(elsewhere, { recursive: true }))
  const ways = {
    "the engine sees other files": (mount: object) => ({ ...mount, Source: "/effect-exec/not/there" }),
    "the agent's socket is not where we look": (mount: object) => ({ ...mount, Source: elsewhere }),
    "the agent may make no socket": (mount: object) => ({ ...mount, ReadOnly: true })
  }
  for (const [why, change] of Object.entries(ways)) {
    it.live(`is the engine's stream where ${why}`, () =>
      Effect.gen(function* () {
        const { client, seen } = watched(change)
        const stdout = yield* Effect.provideService(million, DockerClient.DockerClient, client)
        assert.strictEqual(stdout, "x".repeat(1_000_000))
        assert.isAbove(seen.bytes, 1_000_000)
        assert.isFalse(Fs.existsSync(seen.sources[0]!))
      })
    )
  }
})
