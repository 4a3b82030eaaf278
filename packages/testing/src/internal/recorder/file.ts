/**
 * A cassette from its file and back.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { type Cassette, CassetteError, format, parse } from "../../Cassette.ts"

const empty: Cassette = { capabilities: undefined, recordings: [] }

/** Reads a cassette; an empty one where there is none and it is not required, or where it is to be ignored. */
export const load = Effect.fnUntraced(function* (
  path: string,
  need: "required" | "optional" | "ignored"
): Effect.fn.Return<Cassette, CassetteError, FileSystem.FileSystem> {
  if (need === "ignored") return empty
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString(path).pipe(
    Effect.catch((error) => {
      const isMissing = error.reason._tag === "NotFound"
      if (isMissing && need === "optional") return Effect.succeed(undefined)
      const problem = isMissing
        ? `does not exist; record it first, with the mode "record"`
        : `cannot be read: ${error.message}`
      return Effect.fail(new CassetteError({ path, problem }))
    })
  )
  return text === undefined ? empty : yield* Effect.fromResult(parse(path, text))
})

/** Writes a cassette, whole or not at all. */
export const save = (
  path: string
): Effect.Effect<(cassette: Cassette) => Effect.Effect<void, CassetteError>, never, FileSystem.FileSystem> =>
  Effect.map(FileSystem.FileSystem, (fs) => (cassette) => {
    const folder = path.slice(0, Math.max(0, path.lastIndexOf("/")))
    const draft = `${path}.${Math.random().toString(36).slice(2)}.tmp`
    return (folder === "" ? Effect.void : fs.makeDirectory(folder, { recursive: true })).pipe(
      Effect.andThen(fs.writeFileString(draft, format(cassette))),
      Effect.andThen(fs.rename(draft, path)),
      Effect.mapError((error) => new CassetteError({ path, problem: `cannot be written: ${error.message}` }))
    )
  })
