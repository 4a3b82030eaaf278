/**
 * Two ways to start a command over Wrenn's API: followed from its first byte on, or in the background, with a tag.
 */
import * as Effect from "effect/Effect"
import type { Backend, SpawnRequest } from "effect-exec/Backend"
import type { Capabilities } from "effect-exec/Capabilities"
import type { ExecError } from "effect-exec/ExecError"
import * as ExecErrors from "effect-exec/ExecError"
import type { Lingering } from "effect-exec/ExecOptions"
import * as Host from "effect-exec/Host"
import type { ProcessId } from "effect-exec/ProcessId"
import * as WrennWire from "../../WrennWire.ts"
import { backend } from "./failure.ts"
import { at, type Http } from "./http.ts"
import * as launch from "./launch.ts"
import { abandonment, follow, type WrennProcess } from "./process.ts"
import * as tree from "./tree.ts"

/** What the API can do, whoever serves it. */
const able: Capabilities = {
  tree: "group+descent",
  exit: "code",
  stdin: "none",
  tty: "none",
  user: "none",
  detach: "remote",
  pidReuse: "none"
}

// Which do not become able to run commands by themselves.
const idle = new Set(["pausing", "paused", "hibernated", "stopped", "missing", "error"])

// What is left of a tree is ended from here, where it is known whether it has a grace period still.
const asked = (lingering: Lingering): Lingering => (lingering === "kill" ? "leave" : lingering)

/** A capsule that is reached over the API. */
export interface Place {
  readonly http: Http
  readonly capsule: string
}

/** What it can do, once it was seen to be there. */
export const capabilities = ({ capsule, http }: Place): Effect.Effect<Capabilities, ExecError> =>
  Effect.flatMap(
    http.json({ method: "GET", path: at(capsule), capsule }, WrennWire.Capsule),
    ({ status }): Effect.Effect<Capabilities, ExecError> =>
      idle.has(status)
        ? Effect.fail(ExecErrors.make(new ExecErrors.SandboxNotRunning({ sandbox: capsule, state: status })))
        : Effect.succeed(able)
  )

/** Starts commands whose processes somebody follows. `spawned` has the pids of those that run. */
export const attached = (place: Place, spawned: Set<number>): Backend => ({
  name: backend,
  capabilities: capabilities(place),
  spawn: Effect.fnUntraced(function* ({ command, id, lingering }) {
    const { capsule, http } = place
    const process = yield* follow({
      http,
      capsule,
      path: `${at(capsule)}/exec/stream`,
      hello: { type: "start", ...launch.wrap(command, id), lingering: asked(lingering) },
      wrapped: { command, mark: id },
      asked: { capsule, program: command.argv[0] }
    })
    yield* Effect.acquireRelease(
      Effect.sync(() => spawned.add(process.pid)),
      () => Effect.sync(() => spawned.delete(process.pid))
    )
    return process
  })
})

/** What else the start of a process in the background needs. */
export interface Background {
  readonly tag: string
  /** Of one that runs already. */
  readonly pid?: number | undefined
}

const start = (
  { capsule, http }: Place,
  { command, lingering }: { readonly command: SpawnRequest["command"]; readonly lingering: Lingering },
  tag: string
): Effect.Effect<number, ExecError> => {
  const envs = launch.plainEnv(command)
  const [cmd, ...args] = envs === undefined ? [...launch.envArgs(command), ...command.argv] : command.argv
  const { cwd } = command
  const program = command.argv[0]
  return Effect.map(
    http.json(
      {
        method: "POST",
        path: `${at(capsule)}/exec`,
        capsule,
        program,
        cwd,
        tag,
        body: {
          cmd,
          args,
          background: true,
          tag,
          envs: envs ?? {},
          ...(cwd === undefined ? {} : { cwd }),
          lingering: asked(lingering)
        }
      },
      WrennWire.Started
    ),
    ({ pid }) => pid
  )
}

/**
 * Starts commands that outlive whoever started them, and follows them. `plans` says how, for the ids of those that are to
 * start; `followed` has those that are.
 */
export const background = (place: Place, plans: Map<ProcessId, Background>, followed: Set<WrennProcess>): Backend => ({
  name: backend,
  capabilities: capabilities(place),
  spawn: Effect.fnUntraced(function* (request) {
    const { capsule, http } = place
    const { pid: known, tag } = plans.get(request.id)!
    let isFollowed = false
    // What was started and is not followed would be nobody's.
    const started = Effect.acquireRelease(start(place, request, tag), (pid) =>
      isFollowed ? Effect.void : Host.within(Effect.ignore(tree.end(http, capsule, pid, false)), abandonment)
    )
    const pid = known ?? (yield* started)
    const process = yield* follow({
      http,
      capsule,
      path: `${at(capsule)}/processes/${pid}/stream`,
      pid,
      isOurs: known === undefined,
      asked: { capsule, selector: String(pid) }
    })
    isFollowed = true
    yield* Effect.acquireRelease(
      Effect.sync(() => followed.add(process)),
      () => Effect.sync(() => followed.delete(process))
    )
    return process
  })
})
