/**
 * Files between here and a capsule.
 */
import { basename, join } from "node:path"
import * as Capsule from "@effect-exec/capsule/Capsule"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import { Failure, refuse } from "./failure.ts"
import * as Place from "./place.ts"
import * as Capsules from "./places/capsule.ts"
import { Progress } from "./progress.ts"
import * as Quantity from "./quantity.ts"
import { write } from "./standardStreams.ts"
import * as Terminal from "./terminal.ts"

type Remote = Capsule.Capsule["Service"]

const failed = (error: PlatformError) => new Failure({ message: error.message })

/** Says how much of it there is. */
const counted = <E>(bytes: Stream.Stream<Uint8Array, E>, what: string, size: string) =>
  Stream.unwrap(
    Effect.map(Progress, (progress) => {
      let sum = 0
      return Stream.tap(bytes, (chunk) =>
        progress.say(`${what}: ${Quantity.formatBytes((sum += chunk.length))}${size}`)
      )
    })
  )

// Into a directory it goes under its own name.
const within = (target: string, source: string) =>
  target === "" || target.endsWith("/") ? `${target}${source === "-" ? "stdin" : basename(source)}` : target

const upload = (remote: Remote, source: string, target: string) =>
  Effect.gen(function* () {
    const path = within(target, source)
    if (source === "-") return yield* remote.writeFile(path, counted(Terminal.input, path, ""))
    const fs = yield* FileSystem.FileSystem
    const { size, type } = yield* fs.stat(source)
    if (type === "Directory") {
      return yield* refuse(
        `${source} is a directory: tar -C ${source} -c . | effect-exec run --stdin - -- tar -x -C TARGET`
      )
    }
    yield* remote.writeFile(path, counted(fs.stream(source), path, ` of ${Quantity.formatBytes(Number(size))}`))
  })

// Beside its place until it is whole: nobody sees half a file, nor keeps one.
const download = (remote: Remote, source: string, target: string) =>
  Effect.gen(function* () {
    const bytes = counted(remote.readFile(source), source, "")
    if (target === "-") return yield* Stream.runForEach(bytes, (chunk) => write("stdout", chunk))
    const fs = yield* FileSystem.FileSystem
    const isDirectory = yield* Effect.match(fs.stat(target), {
      onFailure: () => target.endsWith("/"),
      onSuccess: ({ type }) => type === "Directory"
    })
    const path = isDirectory ? join(target, basename(source)) : target
    const part = `${path}.${process.pid}.part`
    yield* Stream.run(bytes, fs.sink(part)).pipe(
      Effect.andThen(fs.rename(part, path)),
      Effect.onError(() => Effect.ignore(fs.remove(part)))
    )
  })

/** Copies a file; the one of the two that begins with a colon is the capsule's. */
export const copy = (where: Place.Where, source: string, target: string) =>
  Effect.gen(function* () {
    const [isDownload, isUpload] = [source.startsWith(":"), target.startsWith(":")]
    if (isDownload === isUpload)
      return yield* refuse("cp takes a path here and one there, which begins with a colon: cp notes.txt :work/")
    const place = yield* Place.owner(where)
    const { id = "main", url } = yield* Capsules.address(place.target)
    const progress = yield* Progress
    const work = Effect.gen(function* () {
      const remote = yield* Capsule.connect(id)
      yield* isUpload ? upload(remote, source, target.slice(1)) : download(remote, source.slice(1), target)
    }).pipe(Effect.scoped, progress.during(`waiting for ${place.name}`))
    yield* work.pipe(
      Effect.provide(Capsules.server(url, place.token)),
      Effect.catchTag("PlatformError", (error) => Effect.fail(failed(error))),
      Effect.provide(NodeFileSystem.layer)
    )
  })
