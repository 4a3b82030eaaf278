/**
 * The secret that clients show to a capsule server: from a file or a variable, never from an argument, which everybody
 * on a machine may see.
 */
import * as Fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Failure, refuse } from "./failure.ts"

/** What a file holds, without the line's end. */
export const read = (path: string): Effect.Effect<Redacted.Redacted<string>, Failure> =>
  Effect.try({
    try: () => Fs.readFileSync(path, "utf8").trim(),
    catch: (cause) => (cause as NodeJS.ErrnoException).code
  }).pipe(
    Effect.catch((code) => refuse(`The token file ${path} cannot be read: ${code}`)),
    Effect.flatMap((text) => (text === "" ? refuse(`The token file ${path} is empty`) : Effect.succeed(text))),
    Effect.map((text) => Redacted.make(text))
  )

/** The token of this file, else of `EFFECT_EXEC_TOKEN`; `undefined` where there is neither. */
export const load = (path: string | undefined): Effect.Effect<Redacted.Redacted<string> | undefined, Failure> => {
  const token = process.env["EFFECT_EXEC_TOKEN"] ?? ""
  return path !== undefined ? read(path) : Effect.succeed(token === "" ? undefined : Redacted.make(token))
}
