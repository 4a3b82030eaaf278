/**
 * The policy of one process: options, with what is absent taken from the defaults in force.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Defaults } from "../Defaults.ts"
import type { ExecError } from "../ExecError.ts"
import type { ExecOptions } from "../ExecOptions.ts"
import type { Policy } from "../Policy.ts"
import * as check from "./check.ts"

/** The defaults of `stream`, `spawn` and `detach`: a process one watches may run, and write, as long as it likes. */
export const unlimited = (defaults: Defaults): Defaults => ({
  ...defaults,
  timeout: Duration.infinity,
  maxOutput: Infinity
})

/** Checks the options and fills in what is absent. */
export const resolve = <E, R>(options: ExecOptions<E, R>, defaults: Defaults): Effect.Effect<Policy, ExecError> =>
  Effect.all({
    timeout: check.duration("timeout", options.timeout ?? defaults.timeout),
    grace: check.duration("grace", options.grace ?? defaults.grace),
    killDeadline: check.duration("killDeadline", defaults.killDeadline),
    maxOutput: check.byteLimit("maxOutput", options.maxOutput ?? defaults.maxOutput),
    lingering: check.lingering(options.lingering ?? "kill")
  })
