/** A server of the program's own, for a scope, and what clients need to know of it. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { events, readUntil, start } from "./support.ts"

/** Serves; gives the server's process, and the variables by which clients find it. */
export const serve = (...flags: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const child = yield* start(["serve", "--json", "--port", "0", ...flags])
    const [serving] = events(yield* readUntil(child, "\n"))
    assert.isTrue(serving?.type === "serving")
    const { tokenFile = "", url } = serving as Extract<typeof serving, { type: "serving" }>
    return { child, url, tokenFile, env: { EFFECT_EXEC_ON: `capsule:${url}`, EFFECT_EXEC_TOKEN_FILE: tokenFile } }
  })
