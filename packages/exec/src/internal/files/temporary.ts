/**
 * Temporary files and directories, with and without a scope that removes them.
 */
import * as Effect from "effect/Effect"
import type { FileSystem } from "effect/FileSystem"
import * as Random from "effect/Random"
import type { Done, Use } from "./checked.ts"

interface Options {
  readonly directory?: string | undefined
  readonly prefix?: string | undefined
  readonly suffix?: string | undefined
}

// Six letters and digits, as `mkdtemp` has them.
const randomName = Effect.map(Random.nextIntBetween(0, 36 ** 6 - 1), (number) => number.toString(36).padStart(6, "0"))

const makeDirectory = (use: Use, method: string, { directory, prefix = "" }: Options = {}): Done<string> => {
  const parent = directory === "" ? "." : directory
  const attempt = Effect.flatMap(randomName, (random) =>
    use(method, [parent ?? "/tmp", `${prefix}${random}`], (files) =>
      files.makeTempDirectory(parent, `${prefix}${random}`)
    )
  )
  // Chance repeats itself, though not for ever.
  return Effect.retry(attempt, { while: ({ reason }) => reason._tag === "AlreadyExists", times: 100 })
}

const makeFile = (use: Use, writeFile: FileSystem["writeFile"], method: string, options: Options = {}): Done<string> =>
  Effect.flatMap(Effect.all([makeDirectory(use, method, options), randomName]), ([directory, random]) => {
    const file = `${directory}/${random}${options.suffix ?? ""}`
    return Effect.as(writeFile(file, new Uint8Array(0)), file)
  })

// The sandbox may be gone by then, and what was in it with it.
const remove = (use: Use, path: string): Effect.Effect<void> =>
  use("remove", [path], (files) => files.remove(path, true, true)).pipe(
    Effect.catch((error) => Effect.logWarning(`The temporary ${path} could not be removed`, error))
  )

type Temporary = Pick<
  FileSystem,
  "makeTempDirectory" | "makeTempDirectoryScoped" | "makeTempFile" | "makeTempFileScoped"
>

/** The methods of the file system for temporary files. A file is in a directory of its own, and removed with that. */
export const make = (use: Use, writeFile: FileSystem["writeFile"]): Temporary => ({
  makeTempDirectory: (options) => makeDirectory(use, "makeTempDirectory", options),
  makeTempDirectoryScoped: (options) =>
    Effect.acquireRelease(makeDirectory(use, "makeTempDirectoryScoped", options), (path) => remove(use, path)),
  makeTempFile: (options) => makeFile(use, writeFile, "makeTempFile", options),
  makeTempFileScoped: (options) =>
    Effect.acquireRelease(makeFile(use, writeFile, "makeTempFileScoped", options), (file) =>
      remove(use, file.slice(0, file.lastIndexOf("/")))
    )
})
