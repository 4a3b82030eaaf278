/**
 * What is left in a container when one of an agent's own commands has killed it together with its supervisor: nobody's
 * processes, found by a variable of their environment. Where the agent is the first process it cannot be killed, and
 * this is not needed.
 */
import { randomUUID } from "node:crypto"
import * as Effect from "effect/Effect"
import type { ExecError } from "effect-exec/ExecError"
import * as deadline from "./deadline.ts"
import * as Inside from "./inside.ts"

/** A mark for an agent and all its commands. */
export const mark = (): Readonly<Record<string, string>> => ({ EFFECT_EXEC_AGENT: randomUUID() })

/** Longer than all of it takes, so that nobody waits for an engine that hangs. */
const killMillis = 5000

/** Kills what has the mark, unless the agent that ran ended in its own way, which is after all of them. */
export const kill = (
  place: Inside.Place,
  agent: Inside.Run,
  mark: Readonly<Record<string, string>>
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const info = yield* Inside.outcome(place, agent)
    // Without an answer there is no container, or no engine.
    if (info === undefined || info.exitCode === 0 || Inside.isRefused(info)) return
    const [[name, value] = []] = Object.entries(mark)
    const run = yield* Inside.start(place, ["--sweep", `${name}=${value}`])
    yield* Inside.end(run)
    const swept = yield* Inside.outcome(place, run)
    if (swept?.exitCode !== 0) yield* couldNot(place, swept)
  }).pipe(
    Effect.scoped,
    // With a container that stopped, or was removed, all its processes did.
    Effect.catch((error) => (isGone(error) ? Effect.void : couldNot(place, error))),
    (killing) => deadline.within(killing, killMillis, () => couldNot(place, "the engine does not answer"))
  )

const isGone = ({ reason }: ExecError): boolean =>
  reason._tag === "SandboxNotFound" || (reason._tag === "SandboxNotRunning" && reason.state !== "paused")

const couldNot = ({ id }: Inside.Place, why: unknown) =>
  Effect.logWarning(`What an agent that was killed has left in the container ${id.slice(0, 12)} may still run`, why)
