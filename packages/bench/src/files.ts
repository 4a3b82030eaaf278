/**
 * Files in sandboxes, beside platform-node's own file system: what an operation takes, and a large file written and read
 * again, byte for byte and in flat memory: `node src/files.ts [--gib N] [--only name]`. Ends with 1 when something is
 * wrong.
 */
import { createHash } from "node:crypto"
import * as Os from "node:os"
import { parseArgs } from "node:util"
import { NodeFileSystem, NodeWS } from "@effect/platform-node"
import { CapsuleExec } from "@effect-exec/capsule"
import { DockerExec } from "@effect-exec/docker"
import { LocalExec } from "@effect-exec/local"
import { CapsuleServer } from "@effect-exec/server"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Exec, ExecFileSystem } from "effect-exec"
import * as Engine from "./engine.ts"
import { collectGarbage, mebibytes } from "./memory.ts"
import { print } from "./print.ts"
import { median } from "./statistics.ts"

const { values } = parseArgs({ options: { gib: { type: "string", default: "1" }, only: { type: "string" } } })

const MiB = 1024 * 1024
const size = Math.round(Number(values.gib) * 1024) * MiB
// What Node's own collector lets pile up of buffers that are no longer used, whoever reads.
const maxGrowth = 192 * MiB

const byCommands = Layer.effect(
  Exec.Exec,
  Effect.map(Exec.Exec, ({ files: _, ...exec }) => exec)
)

const capsule = Layer.unwrap(
  Effect.map(CapsuleServer.make(), ({ url }) =>
    Layer.provide(CapsuleExec.layer({ url }), NodeWS.layerWebSocketConstructor)
  )
).pipe(Layer.provide(LocalExec.layer), Layer.orDie)

// A file of a gibibyte needs a place for it: the directory of the container's own volume, not its memory.
const container = DockerExec.layerContainer({ image: Engine.image })

interface Subject {
  readonly layer: Layer.Layer<FileSystem.FileSystem>
  readonly directory: string
}

const on = (exec: Layer.Layer<Exec.Exec>, directory = Os.tmpdir()): Subject => ({
  layer: Layer.provide(ExecFileSystem.layer, exec),
  directory
})

const subjects: Readonly<Record<string, Subject>> = {
  "platform-node": { layer: NodeFileSystem.layer, directory: Os.tmpdir() },
  agent: on(LocalExec.layer),
  "agent, by commands": on(Layer.provide(byCommands, LocalExec.layer)),
  portable: on(LocalExec.layerWith({ agent: "never" })),
  capsule: on(capsule),
  ...(Engine.isThere()
    ? {
        docker: on(container, "/sandbox/work"),
        "docker, by commands": on(Layer.provide(byCommands, container), "/sandbox/work")
      }
    : {})
}

let failed = 0

const times = 100

const latency = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, directory: string) {
  const file = `${directory}/small`
  yield* fs.writeFileString(file, "hello")
  const operations = {
    stat: fs.stat(file),
    readFile: fs.readFile(file),
    writeFile: fs.writeFileString(file, "hello"),
    readDirectory: fs.readDirectory(directory),
    exists: fs.exists(file)
  }
  const medians: Array<string> = []
  for (const [name, operation] of Object.entries(operations)) {
    yield* Effect.repeat(operation, { times: 10 })
    const taken: Array<number> = []
    for (let i = 0; i < times; i++) {
      const start = performance.now()
      yield* operation
      taken.push(performance.now() - start)
    }
    medians.push(`${name} ${median(taken).toFixed(2)}`)
  }
  print(`  ms: ${medians.join("  ")}`)
})

/** Watches the memory of this process while something is done. */
const growth = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    collectGarbage()
    const before = process.memoryUsage.rss()
    let most = before
    const timer = setInterval(() => {
      most = Math.max(most, process.memoryUsage.rss())
    }, 20)
    const start = performance.now()
    const value = yield* Effect.ensuring(
      effect,
      Effect.sync(() => clearInterval(timer))
    )
    const rate = size / MiB / ((performance.now() - start) / 1000)
    return { value, rate, grown: Math.max(most, process.memoryUsage.rss()) - before }
  })

const large = Effect.fnUntraced(function* (fs: FileSystem.FileSystem, directory: string) {
  const file = `${directory}/large`
  // Each piece of its own, as a program's would be, and none like another.
  const pieces = Stream.map(Stream.rechunk(Stream.range(1, size / MiB), 1), (index) => {
    const piece = new Uint8Array(MiB).fill(index)
    piece.set([index >> 8, index >> 16], 0)
    return piece
  })
  const hashing = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) => {
    const hash = createHash("sha256")
    return [hash, Stream.tap(stream, (bytes) => Effect.sync(() => hash.update(bytes)))] as const
  }
  const [source, written] = hashing(pieces)
  const write = yield* growth(Stream.run(written, fs.sink(file)))
  const [target, read] = hashing(fs.stream(file))
  const readBack = yield* growth(Stream.runDrain(read))
  const isExact = source.digest("hex") === target.digest("hex")
  const isFlat = Math.max(write.grown, readBack.grown) < maxGrowth
  if (!isExact || !isFlat) failed++
  const one = ({ grown, rate }: { readonly grown: number; readonly rate: number }) =>
    `${rate.toFixed(0)} MiB/s, RSS + ${mebibytes(grown)} MiB`
  print(`  written at ${one(write)}; read at ${one(readBack)}`)
  print(
    `${isExact && isFlat ? "PASS" : "FAIL"}  ${mebibytes(size)} MiB ${isExact ? "exact" : "NOT EXACT"}, memory ${isFlat ? "flat" : "NOT FLAT"}\n`
  )
})

print(`Node ${process.version}, load ${Os.loadavg()[0]!.toFixed(1)}\n`)
for (const [name, { directory, layer }] of Object.entries(subjects)) {
  if (values.only !== undefined && values.only !== name) continue
  print(name)
  const work = Effect.gen(function* () {
    const fs = yield* FileSystem.FileSystem
    const own = yield* fs.makeTempDirectoryScoped({ directory })
    yield* latency(fs, own)
    yield* large(fs, own)
  })
  await Effect.runPromise(Effect.provide(Effect.scoped(work), layer))
}
print(failed === 0 ? "All as it should be." : `${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
