/** What a container of our own is given: nothing that was not asked for, and each thing by one option. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Command, Exec, ExecError } from "effect-exec"
import * as Container from "../src/Container.ts"
import * as DockerClient from "../src/DockerClient.ts"
import * as Config from "../src/internal/config.ts"
import { available, docker, images } from "./engine.ts"

const image = images.busybox
const memory = 64 * 1024 * 1024
const tmp = "rw,noexec,nosuid,nodev,size=256m,mode=1777"

interface Case {
  readonly changed: Partial<Container.Options>
  /** Where the engine says it, and what: by default, and changed. */
  readonly said?: Readonly<Record<string, readonly [byDefault: unknown, changed: unknown]>>
  /** What a command there sees of it. */
  readonly script?: string
  readonly seen?: readonly [byDefault: RegExp, changed: RegExp]
}

const cases: Readonly<Record<string, Case>> = {
  network: {
    changed: { network: "host" },
    said: { "HostConfig.NetworkMode": ["none", "host"] },
    script: "cd /sys/class/net; echo *",
    seen: [/^lo$/, /lo/]
  },
  capabilities: {
    changed: { capabilities: ["NET_RAW"] },
    said: { "HostConfig.CapAdd": [[], ["NET_RAW"]], "HostConfig.CapDrop": [["ALL"], ["ALL"]] },
    script: "grep CapBnd /proc/self/status",
    seen: [/0{16}/, /0{12}2000/]
  },
  newPrivileges: {
    changed: { newPrivileges: true },
    said: { "HostConfig.SecurityOpt": [["no-new-privileges"], []] },
    script: "grep NoNewPrivs /proc/self/status",
    seen: [/1$/, /0$/]
  },
  user: {
    changed: { user: "0:0" },
    said: { "Config.User": ["1000:1000", "0:0"] },
    script: "echo $(id -u):$(id -g)",
    seen: [/^1000:1000$/, /^0:0$/]
  },
  readOnlyRoot: {
    changed: { readOnlyRoot: false },
    said: { "HostConfig.ReadonlyRootfs": [true, false] },
    script: "touch /written && echo written",
    seen: [/Read-only file system/, /^written$/]
  },
  tmpfs: {
    changed: { tmpfs: { "/cache": "size=1m,exec" } },
    said: { "HostConfig.Tmpfs": [{ "/tmp": tmp }, { "/cache": "size=1m,exec" }] },
    script: "grep -E ' /(tmp|cache) tmpfs ' /proc/mounts",
    seen: [/^tmpfs \/tmp tmpfs rw,nosuid,nodev,noexec,.*size=262144k/, /^tmpfs \/cache tmpfs (?!.*noexec).*size=1024k/]
  },
  pids: {
    changed: { pids: 20 },
    said: { "HostConfig.PidsLimit": [512, 20] },
    script: "i=0; while [ $i -lt 30 ]; do sleep 60 & i=$((i+1)); done; echo all",
    seen: [/^all$/, /can't fork/]
  },
  memory: {
    changed: { memory },
    said: {
      "HostConfig.Memory": [1024 ** 3, memory],
      "HostConfig.MemorySwap": [1024 ** 3, memory]
    }
  },
  cpus: { changed: { cpus: 0.5 }, said: { "HostConfig.NanoCpus": [2e9, 0.5e9] } },
  log: { changed: { log: "local" }, said: { "HostConfig.LogConfig.Type": ["none", "local"] } },
  workdir: {
    changed: { workdir: "/etc" },
    said: { "Config.WorkingDir": ["/sandbox/work", "/etc"] },
    script: "pwd",
    seen: [/^\/sandbox\/work$/, /^\/etc$/]
  },
  mounts: {
    changed: { mounts: [{ source: "/usr/share", target: "/given" }] },
    script: "ls -d /given && touch /given/x",
    seen: [/No such file/, /^\/given\n.*Read-only/]
  },
  env: { changed: { env: { GIVEN: "1" } }, script: "echo [$GIVEN]", seen: [/^\[\]$/, /^\[1\]$/] },
  labels: { changed: { labels: { given: "1" } }, said: { "Config.Labels.given": [undefined, "1"] } }
}

const at = (value: unknown, path: string): unknown =>
  path.split(".").reduce((value, name) => (value as Record<string, unknown> | undefined)?.[name], value)

const inspect = (id: string) =>
  Effect.promise(async () => (JSON.parse(await docker("inspect", id)) as [Record<string, unknown>])[0])

/** What of all cases can be seen in a container: by default, or changed. */
const look = (options: Partial<Container.Options>, index: 0 | 1) =>
  Effect.gen(function* () {
    const { backend, id } = yield* Container.make({ image, ...options })
    const info = yield* inspect(id)
    const exec = yield* Exec.make(backend)
    for (const [name, { said = {}, script, seen }] of Object.entries(cases)) {
      // Some engines say nothing where others say an empty list.
      for (const [path, values] of Object.entries(said))
        assert.deepEqual(at(info, path) ?? [], values[index] ?? [], path)
      if (script === undefined || seen === undefined) continue
      const { stdout } = yield* exec.run(Command.shell(`exec 2>&1; ${script}`))
      assert.match(stdout.trim(), seen[index], name)
    }
  }).pipe(Effect.scoped)

describe.runIf(available).concurrent("a container of our own", () => {
  it.live("by default it is given nothing", () => look({}, 0))

  it.live("each thing that is asked for", () =>
    look(Object.assign({}, ...Object.values(cases).map(({ changed }) => changed)), 1)
  )

  it.live("no limits, where that is asked for", () =>
    Effect.gen(function* () {
      const { id } = yield* Container.make({ image, pids: Infinity, memory: Infinity, cpus: Infinity })
      const { Memory, MemorySwap, NanoCpus, PidsLimit } = (yield* inspect(id))["HostConfig"] as Record<string, unknown>
      assert.deepStrictEqual([PidsLimit ?? 0, Memory, MemorySwap, NanoCpus], [0, 0, 0, 0])
    })
  )

  it.live("on a machine with less processors than the default it is given all of them", () =>
    Effect.gen(function* () {
      const client = yield* DockerClient.DockerClient
      const text = "Range of CPUs is from 0.01 to 1.00, as there are only 1 CPUs available"
      const tooMany = new ExecError.StartFailed({ program: image, detail: { backend: "docker", code: "400", text } })
      const smaller: DockerClient.DockerClient = {
        ...client,
        createContainer: (body) =>
          (body["HostConfig"] as { readonly NanoCpus: number }).NanoCpus > 1e9
            ? Effect.fail(ExecError.make(tooMany))
            : client.createContainer(body)
      }
      const make = (options: Partial<Container.Options>) =>
        Effect.provideService(Container.make({ image, ...options }), DockerClient.DockerClient, smaller)
      const { id } = yield* make({})
      assert.strictEqual(at(yield* inspect(id), "HostConfig.NanoCpus"), 1e9)
      assert.strictEqual((yield* Effect.flip(make({ cpus: 2 }))).reason._tag, "StartFailed")
    })
  )
})

describe("the options of a container of our own", () => {
  // All that differs, by its path.
  const difference = (one: unknown, other: unknown, path = ""): ReadonlyArray<string> => {
    if (typeof one !== "object" || typeof other !== "object" || one === null || other === null || Array.isArray(one)) {
      return JSON.stringify(one) === JSON.stringify(other) ? [] : [path]
    }
    const names = new Set([...Object.keys(one), ...Object.keys(other)])
    return [...names].flatMap((name) =>
      difference(at(one, name), at(other, name), path === "" ? name : `${path}.${name}`)
    )
  }
  const where: Readonly<Record<string, ReadonlyArray<string>>> = {
    user: ["User"],
    workdir: ["WorkingDir"],
    labels: ["Labels.given"],
    capabilities: ["HostConfig.CapAdd"],
    tmpfs: ["HostConfig.Tmpfs./tmp", "HostConfig.Tmpfs./cache"],
    mounts: ["HostConfig.Mounts"],
    // It is the agent's to give, to each command.
    env: []
  }

  for (const [name, { changed, said = {} }] of Object.entries(cases)) {
    it(`${name} changes that and nothing else`, () => {
      const bodies = [
        Config.body({ image }, "agent", undefined),
        Config.body({ image, ...changed }, "agent", undefined)
      ]
      assert.sameMembers([...difference(bodies[0], bodies[1])], [...(where[name] ?? Object.keys(said))])
    })
  }
})
