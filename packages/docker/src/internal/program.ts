/**
 * The agent's program for an architecture.
 */
import { createHash } from "node:crypto"
import * as Fs from "node:fs/promises"
import { createRequire } from "node:module"
import * as Effect from "effect/Effect"
import type { ExecError } from "effect-exec/ExecError"
import { unsupported } from "./failure.ts"

/** A program that can be put into a container. */
export interface Program {
  readonly bytes: Uint8Array
  /** Its name there, which carries its hash: another version is another file. */
  readonly name: string
}

const builds: Readonly<Record<string, string>> = { amd64: "x64", x86_64: "x64", arm64: "arm64", aarch64: "arm64" }

const loaded = new Map<string, Program>()

const load = async (build: string): Promise<Program> => {
  const bytes = await Fs.readFile(createRequire(import.meta.url).resolve(`@effect-exec/agent/bin/agent-linux-${build}`))
  const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 16)
  const program = { bytes, name: `effect-exec-agent-${hash}` }
  loaded.set(build, program)
  return program
}

/** The agent for an architecture as the engine names it; `Unsupported` where there is none. */
export const forArchitecture = (architecture: string): Effect.Effect<Program, ExecError> =>
  Effect.suspend(() => {
    const build = builds[architecture]
    if (build === undefined) {
      return Effect.fail(
        unsupported(
          `containers of the architecture ${architecture}`,
          "there is an agent for amd64 and arm64; use an image for one of them"
        )
      )
    }
    const known = loaded.get(build)
    return known === undefined ? Effect.promise(() => load(build)) : Effect.succeed(known)
  })
