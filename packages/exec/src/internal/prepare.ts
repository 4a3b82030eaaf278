/**
 * From what the caller said to what a backend gets: everything that can be refused is refused here, before anything
 * starts.
 */
import * as Effect from "effect/Effect"
import type { Capabilities } from "../Capabilities.ts"
import type { Command } from "../Command.ts"
import type { Defaults } from "../Defaults.ts"
import type { ExecError } from "../ExecError.ts"
import type { SpawnOptions } from "../ExecOptions.ts"
import type { Prepared } from "../Host.ts"
import * as ProcessId from "../ProcessId.ts"
import * as check from "./check.ts"
import * as policy from "./policy.ts"

/** Checks a command and its options against the contract and what can be done. */
export const prepare = Effect.fnUntraced(function* <E, R>(
  capabilities: Effect.Effect<Capabilities, ExecError>,
  command: Command,
  options: SpawnOptions<E, R>,
  defaults: Defaults
): Effect.fn.Return<Prepared, ExecError> {
  yield* check.command(command)
  yield* check.stdin(options.stdin)
  const resolved = yield* policy.resolve(options, defaults)
  if (options.id !== undefined) yield* check.id(options.id)
  const stdin = options.stdin === undefined ? "none" : "pipe"
  if (command.tty !== undefined || command.user !== undefined || stdin === "pipe") {
    yield* check.capable(command, stdin, yield* capabilities)
  }
  const id = options.id ?? (yield* ProcessId.random)
  return { request: { id, command, stdin, lingering: resolved.lingering }, policy: resolved }
})
