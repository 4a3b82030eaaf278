/**
 * What the tests of file systems have in common: a directory of their own.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"

/** What a test may ask for. */
export type Needs = FileSystem.FileSystem | Place | Scope.Scope

/** One behaviour. */
export interface Test {
  readonly title: string
  readonly body: Effect.Effect<void, unknown, Needs>
}

/** What a test is given. */
export interface Kit {
  readonly fs: FileSystem.FileSystem
  /** A path in the directory of the test. */
  readonly at: (name: string) => string
  /** Permission bits, of what is there itself. */
  readonly modeOf: (path: string) => Effect.Effect<number, PlatformError>
  /** Whether these files are root's, whom permissions do not stop. */
  readonly isRoot: boolean
  /** Whether times can be set to whole seconds only. */
  readonly wholeSeconds: boolean
}

interface Facts extends Pick<Kit, "isRoot" | "wholeSeconds"> {
  readonly directory: string
}

/** Where all the tests of a suite work, gone when the suite ends. */
export class Place extends Context.Service<Place, Facts>()("@effect-exec/testing/Place") {
  static readonly layer = (wholeSeconds: boolean) =>
    Layer.effect(
      Place,
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const directory = yield* fs.makeTempDirectoryScoped({ prefix: "effect-exec " })
        const { uid } = yield* fs.stat(directory)
        return { directory, isRoot: uid._tag === "Some" && uid.value === 0, wholeSeconds }
      })
    )
}

const kitOf = (fs: FileSystem.FileSystem, { directory, ...facts }: Facts): Kit => ({
  ...facts,
  fs,
  at: (name) => `${directory}/${name}`,
  modeOf: (path) => Effect.map(fs.lstat(path), ({ mode }) => mode & 0o7777)
})

/** What one does with it. */
export type Body = (kit: Kit) => Generator<Effect.Effect<unknown, unknown, Needs>, void>

/** Does it in the directory that all tests share. */
export const together = (body: Body): Test["body"] =>
  Effect.gen(function* () {
    const place = yield* Place
    const fs = yield* FileSystem.FileSystem
    yield* Effect.gen(() => body(kitOf(fs, place)))
  }) as Test["body"]

/** A test, in a directory of its own. */
export const test = (title: string, body: Body): Test => ({
  title,
  body: Effect.gen(function* () {
    const place = yield* Place
    const fs = yield* FileSystem.FileSystem
    const directory = yield* fs.makeTempDirectory({ directory: place.directory })
    yield* Effect.gen(() => body(kitOf(fs, { ...place, directory })))
  }) as Test["body"]
})

/** Names that a shell, or a careless program, would take for something else. */
export const awkward = [
  "two words",
  " around ",
  "new\nline",
  "ends with one\n",
  "-rf",
  "--",
  "-",
  "~",
  "*?[a-z]{a,b}",
  "$HOME `id` $(id) ; id & | > <",
  "'single' \"double\" \\",
  "a=b:c,d",
  "#",
  "!",
  "ä ß 漢字 🎈",
  ".hidden",
  "...",
  "x".repeat(200)
]
