/**
 * A prepared command, as Start and Detach have it.
 */
import * as Redacted from "effect/Redacted"
import type { Command } from "effect-exec/Command"
import type { SpawnOptions } from "effect-exec/ExecOptions"
import type { Prepared } from "effect-exec/Host"
import type { ClientMessage } from "../Wire.ts"

type Start = Extract<ClientMessage, { readonly _tag: "Start" }>

// In clear, or the process would not get them: a message that has them is never logged.
const clearEnv = (env: NonNullable<Command["env"]>): Record<string, string | null> =>
  Object.fromEntries(
    Object.entries(env).map(([name, value]) => [
      name,
      value === undefined ? null : Redacted.isRedacted(value) ? Redacted.value(value) : value
    ])
  )

export const startFields = (
  { policy, request: { command, id } }: Prepared,
  { stdin, tag }: SpawnOptions<unknown, unknown>,
  trace: string | undefined
): Omit<Start, "_tag" | "channel" | "credit"> => {
  const { env, ...rest } = command
  const { maxOutput, ...others } = policy
  return {
    id,
    command: { ...rest, ...(env === undefined ? {} : { env: clearEnv(env) }) },
    stdin: stdin === undefined ? "none" : stdin === "open" ? "open" : "feed",
    policy: { ...others, ...(maxOutput === Infinity ? {} : { maxOutput }) },
    ...(tag === undefined ? {} : { tag }),
    ...(trace === undefined ? {} : { trace })
  }
}
