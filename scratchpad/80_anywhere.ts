/** A program of Effect's own `effect/process` and `FileSystem`, run unchanged here, on a capsule and in a container. */
import { NodeRuntime, NodeWS } from "@effect/platform-node"
import { Console, Effect, FileSystem, Layer } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"
import { ExecFileSystem, ExecSpawner } from "effect-exec"
import { CapsuleExec } from "@effect-exec/capsule"
import { DockerExec } from "@effect-exec/docker"
import { LocalExec } from "@effect-exec/local"
import { CapsuleServer } from "@effect-exec/server"

// Knows nothing of effect-exec.
const program = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const directory = yield* fs.makeTempDirectoryScoped()

  yield* fs.writeFileString(`${directory}/words.txt`, "pear\napple\nfig\napple\n")
  yield* fs.writeFileString(`${directory}/count.sh`, `sort "$1" | uniq -c | while read n w; do echo "$w: $n"; done\n`)

  const counted = ChildProcess.make("/bin/sh", [`${directory}/count.sh`, `${directory}/words.txt`])
  const twice = counted.pipe(ChildProcess.pipeTo(ChildProcess.make("grep", ["2"])))
  yield* fs.writeFileString(`${directory}/result.txt`, yield* spawner.string(twice))

  yield* Console.log((yield* fs.readFileString(`${directory}/result.txt`)).trimEnd())
  yield* Console.log((yield* fs.readDirectory(directory)).toSorted().join(" "))
}).pipe(Effect.scoped)

// Only the layer says where. (`node 80_anywhere.ts IMAGE` for a container too)
const onCapsule = Layer.unwrap(Effect.map(CapsuleServer.CapsuleServer, ({ url }) => CapsuleExec.layer({ url }))).pipe(
  Layer.provide([CapsuleServer.layer().pipe(Layer.provide(LocalExec.layer)), NodeWS.layerWebSocketConstructor]),
  Layer.orDie
)
const image = process.argv[2]
const places = [LocalExec.layer, onCapsule, ...(image === undefined ? [] : [DockerExec.layerContainer({ image })])]

NodeRuntime.runMain(
  Effect.forEach(places, (place) =>
    Effect.provide(program, Layer.mergeAll(ExecSpawner.layer, ExecFileSystem.layer).pipe(Layer.provide(place)))
  )
)

/* prints
apple: 2
count.sh result.txt words.txt
apple: 2
count.sh result.txt words.txt
*/
