/**
 * Looking for a program where the agent is, to say why it would not start.
 */
import * as Effect from "effect/Effect"
import type { ExecError } from "effect-exec/ExecError"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Files } from "effect-exec/Files"
import { web } from "./web.ts"

/** A file that is there, and how it begins. */
export interface Found {
  readonly path: string
  readonly head: Uint8Array
}

// What the agent searches for a command without a PATH.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const from = (cwd: string, path: string): string =>
  path.startsWith("/") || cwd === "" ? path : `${cwd.replace(/\/+$/, "")}/${path}`

/** The file that a program's name leads to, whether it may be executed or not; searched on the command's own PATH. */
export const find = (
  files: Pick<Files, "read" | "stat">,
  program: string,
  path: string | undefined,
  cwd: string
): Effect.Effect<Found | undefined, ExecError> => {
  const candidates = program.includes("/")
    ? [from(cwd, program)]
    : (path ?? defaultPath).split(":").map((part) => from(cwd, part === "" ? program : `${part}/${program}`))
  const next = (index: number): Effect.Effect<Found | undefined, ExecError> => {
    const candidate = candidates[index]
    if (candidate === undefined) return Effect.succeed(undefined)
    return Effect.flatMap(typeOf(files, candidate), (type) =>
      // A directory of this name is passed over in a PATH, and is what was meant otherwise.
      type === undefined || (type === "Directory" && candidates.length > 1)
        ? next(index + 1)
        : Effect.map(
            // Nothing but a file: the opening of a FIFO would wait for a writer.
            type === "File" ? headOf(files, candidate) : Effect.succeed(new Uint8Array(0)),
            (head) => ({ path: candidate, head })
          )
    )
  }
  return next(0)
}

/** What is at this path, symbolic links followed; `undefined` when that is nothing that can be looked at. */
const typeOf = (files: Pick<Files, "stat">, path: string) =>
  files.stat(path, true).pipe(
    Effect.map(({ type }) => type),
    Effect.catchTag("FileError", () => Effect.undefined)
  )

/** The first bytes of a file; none when it may not be read. */
const headOf = (files: Pick<Files, "read">, path: string) =>
  Stream.runHead(files.read(path, { offset: 0n, length: 256n })).pipe(
    Effect.map(Option.getOrElse(() => new Uint8Array(0))),
    Effect.catchTag("FileError", () => Effect.succeed(new Uint8Array(0)))
  )

const decoder = new web.TextDecoder("utf-8")

/** Why a file that is there cannot be found when it is executed: something that it needs in turn is missing. */
export const missingInterpreter = ({ head, path }: Found): string => {
  const interpreter = /^#![ \t]*([^\s\0]+)/.exec(decoder.decode(head))?.[1]
  return interpreter === undefined
    ? `${path} exists, but the dynamic loader that it needs does not; it was built for another system`
    : `${path} exists, but its interpreter ${interpreter} does not`
}
