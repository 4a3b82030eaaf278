/**
 * The command `effect-exec`: its verbs, and the flags that all of them have.
 */
import * as CliConfig from "effect/cli/CliConfig"
import * as Verb from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import { attach } from "./verbs/attach.ts"
import { capsule } from "./verbs/capsule.ts"
import { cp } from "./verbs/cp.ts"
import { detach } from "./verbs/detach.ts"
import { doctor } from "./verbs/doctor.ts"
import { kill } from "./verbs/kill.ts"
import { logs } from "./verbs/logs.ts"
import { ps } from "./verbs/ps.ts"
import { run } from "./verbs/run.ts"
import { serve } from "./verbs/serve.ts"
import { stream } from "./verbs/stream.ts"
import { wait } from "./verbs/wait.ts"

export const cli = Verb.make("effect-exec").pipe(
  Verb.withDescription("Run commands anywhere: on this machine, in containers."),
  Verb.withSubcommands([
    run,
    stream,
    { group: "PROCESSES THAT LIVE ON", commands: [detach, ps, logs, attach, kill, wait, cp] },
    { group: "SERVERS", commands: [serve, capsule] },
    { group: "THIS MACHINE", commands: [doctor] }
  ]),
  Verb.withExamples([
    { command: "effect-exec run -- uname -a", description: "On this machine" },
    { command: "effect-exec run --on docker:alpine -- uname -a", description: "The same in a container of its own" },
    { command: "effect-exec run --on docker:alpine --tty -- sh", description: "With a terminal" },
    { command: "source <(effect-exec --completions bash)", description: "Completions for this shell" }
  ])
)

const { Completions, Help, LogLevel, Version } = GlobalFlag

export const config = CliConfig.make({ builtIns: [Help, Version, Completions, LogLevel] })
