/**
 * File operations whose arguments were looked at first, and whose failures are the platform's.
 */
import * as Effect from "effect/Effect"
import type { PlatformError } from "effect/PlatformError"
import type { ExecError } from "../../ExecError.ts"
import { type Failing, FileError, type Files } from "../../Files.ts"
import { badArgument, from } from "./failure.ts"

/** How a method of the file system ends. */
export type Done<A = void, R = never> = Effect.Effect<A, PlatformError, R>

/** Nothing was tried, because of what was asked. */
export const wrong = (method: string, description: string) => Effect.fail(badArgument(method, description))

const pathProblem = (method: string, path: string): PlatformError | undefined => {
  if (typeof path !== "string") return badArgument(method, "The path is not a string")
  if (path.includes("\0")) return badArgument(method, "The path contains a NUL character")
  if (path === "") return from(method, path)(new FileError({ code: "ENOENT", text: "The path is empty" }))
  return path.isWellFormed() ? undefined : badArgument(method, "The path contains half of a surrogate pair")
}

/** A whole number within bounds. */
export const isWhole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most

/** The largest user, group or mode. */
export const maxNumber = 0xffff_ffff

/** The permission bits of a mode. */
export const withMode = <A, R>(method: string, mode: number, body: (mode: number) => Done<A, R>): Done<A, R> =>
  isWhole(mode, 0, maxNumber) ? body(mode & 0o7777) : wrong(method, "The mode is not a whole number of permission bits")

/** Does something with a path, or several; a failure tells of the first of them. */
export type Use = <A, R = never>(
  method: string,
  paths: readonly [path: string, ...others: ReadonlyArray<string>],
  body: (files: Files) => Failing<A, R>
) => Done<A, R>

/** With these operations, which are known only once the sandbox has been reached. */
export const use =
  (files: Effect.Effect<Files, ExecError>): Use =>
  (method, paths, body) =>
    Effect.suspend(() => {
      const problem = paths.map((each) => pathProblem(method, each)).find((each) => each !== undefined)
      return problem === undefined
        ? Effect.mapError(Effect.flatMap(files, body), from(method, paths[0]))
        : Effect.fail(problem)
    })
