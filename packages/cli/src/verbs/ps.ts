/** `effect-exec ps`: what lives on. */
import * as Flag from "effect/cli/Flag"
import * as Verb from "effect/cli/Command"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ExitStatus from "effect-exec/ExitStatus"
import type { ProcessInfo } from "effect-exec/ProcessInfo"
import * as Flags from "../flags.ts"
import * as Follow from "../follow.ts"
import * as Json from "../json.ts"
import { write } from "../standardStreams.ts"
import * as Table from "../table.ts"
import * as Owned from "./owned.ts"

const ageOf = (millis: number): string => {
  const age = Duration.seconds(Math.max(0, Math.floor(millis / 1000)))
  return Duration.isZero(age) ? "0s" : Duration.format(age).split(" ").slice(0, 2).join(" ")
}

const row =
  (now: number) =>
  ({ command, id, pid, startedAt, status, tag }: ProcessInfo): ReadonlyArray<string> => [
    tag,
    String(pid),
    status === undefined ? "running" : ExitStatus.format(status),
    startedAt === undefined ? "?" : ageOf(now - DateTime.toEpochMillis(startedAt)),
    id,
    command.argv.join(" ")
  ]

const all = Flag.Boolean("all").pipe(
  Flag.withAlias("a"),
  Flag.withDescription("Also those that ended and are remembered"),
  Flag.withDefault(false)
)

export const ps = Verb.make("ps", { ...Flags.where, all, json: Flags.json }, ({ all, ...flags }) =>
  Owned.at(flags, (exec) =>
    Effect.gen(function* () {
      const processes = yield* exec.list({ exited: all })
      if (flags.json) return yield* Follow.print(processes.map(Json.ofProcess))
      const rows = processes.map(row(yield* Clock.currentTimeMillis))
      yield* write("stdout", Table.format(["TAG", "PID", "STATUS", "AGE", "ID", "COMMAND"], rows))
    })
  )
).pipe(
  Verb.withShortDescription("List what was detached"),
  Verb.withDescription("List the processes that were detached, by whomever."),
  Verb.withExamples([
    { command: "effect-exec ps", description: "Those that run" },
    { command: "effect-exec ps --all --json | jq -r .tag", description: "Also those that ended, for programs" }
  ])
)
