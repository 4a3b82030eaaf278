/**
 * Files and directories between here and a place.
 */
import { basename } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import * as Stream from "effect/Stream"
import * as Exec from "effect-exec/Exec"
import * as ExecFileSystem from "effect-exec/ExecFileSystem"
import { type BrokenPipe, Failure, refuse } from "./failure.ts"
import * as Place from "./place.ts"
import { Progress } from "./progress.ts"
import * as Quantity from "./quantity.ts"
import { note, write } from "./standardStreams.ts"
import * as Terminal from "./terminal.ts"

type Files = FileSystem.FileSystem

/** A path, and whose it is. */
interface End {
  readonly files: Files
  readonly path: string
}

/** Says how much of a file there is. */
const counted = <E>(bytes: Stream.Stream<Uint8Array, E>, what: string): Stream.Stream<Uint8Array, E> =>
  Stream.unwrap(
    Effect.map(Progress, (progress) => {
      let sum = 0
      return Stream.tap(bytes, ({ length }) => progress.say(`${what}: ${Quantity.formatBytes((sum += length))}`))
    })
  )

const isDirectory = ({ files, path }: End): Effect.Effect<boolean> =>
  Effect.match(files.stat(path), { onFailure: () => false, onSuccess: ({ type }) => type === "Directory" })

// Into a directory it goes under its own name.
const placed = (target: End, name: string): Effect.Effect<End> =>
  Effect.map(isDirectory(target), (isDirectory) => {
    const into = target.path === "" ? "./" : target.path
    if (!isDirectory && !into.endsWith("/")) return target
    return { ...target, path: `${into}${into.endsWith("/") ? "" : "/"}${name}` }
  })

/** Puts a file beside its place until it is whole: nobody sees half a file, nor keeps one. */
const put = <E>(bytes: Stream.Stream<Uint8Array, E>, { files, path }: End, mode: number) => {
  const part = `${path}.${process.pid}.part`
  return Stream.run(counted(bytes, path), files.sink(part, { mode })).pipe(
    Effect.andThen(files.rename(part, path)),
    Effect.onError(() => Effect.ignore(files.remove(part)))
  )
}

const tree = (source: End, target: End): Effect.Effect<void, PlatformError> =>
  Effect.gen(function* () {
    const { mode, type } = yield* source.files.stat(source.path)
    if (type === "File") return yield* put(source.files.stream(source.path), target, mode & 0o777)
    if (type !== "Directory") return yield* note(`${source.path} is left out: it is neither a file nor a directory`)
    yield* target.files.makeDirectory(target.path, { recursive: true })
    for (const name of yield* source.files.readDirectory(source.path)) {
      yield* tree({ ...source, path: `${source.path}/${name}` }, { ...target, path: `${target.path}/${name}` })
    }
  })

const stream = (source: End, target: End): Effect.Effect<void, BrokenPipe | Failure | PlatformError> =>
  source.path === "-"
    ? Effect.flatMap(placed(target, "stdin"), (target) => put(Terminal.input, target, 0o666))
    : Stream.runForEach(counted(source.files.stream(source.path), source.path), (bytes) => write("stdout", bytes))

/** Copies; the one of the two paths that begins with a colon is the place's, and `-` is a stream of this program's. */
export const copy = (where: Place.Where, from: string, to: string) =>
  Effect.gen(function* () {
    if (from.startsWith(":") === to.startsWith(":")) {
      return yield* refuse("cp takes a path here and one there, which begins with a colon: cp notes.txt :work/")
    }
    const place = yield* Place.given(where)
    const progress = yield* Progress
    const here = yield* FileSystem.FileSystem
    const work = Effect.gen(function* () {
      const there = ExecFileSystem.make(yield* Exec.Exec)
      const end = (path: string): End =>
        path.startsWith(":") ? { files: there, path: path.slice(1) } : { files: here, path }
      const [source, target] = [end(from), end(to)]
      if (from === "-" || to === "-") return yield* stream(source, target)
      const path = source.path === "" ? "." : source.path
      yield* tree({ ...source, path }, yield* placed(target, basename(path)))
    }).pipe(Effect.provide(place.layer))
    // What is written to a terminal shows itself how it goes.
    yield* to === "-" ? work : progress.during(`waiting for ${place.name}`)(work)
  }).pipe(
    Effect.catchTag("PlatformError", ({ message }) => Effect.fail(new Failure({ message }))),
    Effect.provide(NodeFileSystem.layer)
  )
