/**
 * What `list` tells of a detached process.
 */
import * as Schema from "effect/Schema"
import type { Command } from "./Command.ts"
import { ExitStatus } from "./ExitStatus.ts"
import { ProcessId } from "./ProcessId.ts"
import { TtySize } from "./TtySize.ts"

/** A command as others may see it: without its environment, which may hold secrets. */
const PublicCommand = Schema.Struct({
  argv: Schema.TupleWithRest(Schema.Tuple([Schema.String]), [Schema.String]),
  cwd: Schema.optionalKey(Schema.String),
  user: Schema.optionalKey(Schema.String),
  tty: Schema.optionalKey(TtySize)
})

/** What `list` tells of a detached process. */
export const ProcessInfo = Schema.Struct({
  id: ProcessId,
  pid: Schema.Int,
  tag: Schema.String,
  /** What runs, without its environment, which may hold secrets. */
  command: PublicCommand,
  /** Absent where the backend does not tell. */
  startedAt: Schema.optionalKey(Schema.DateTimeUtc),
  /** How it ended; absent while it runs. */
  status: Schema.optionalKey(ExitStatus)
})
/** What `list` tells of a detached process. */
export type ProcessInfo = typeof ProcessInfo.Type

/** The command without its environment. */
export const publicCommand = ({ env: _, extendEnv: __, ...rest }: Command): ProcessInfo["command"] => rest
