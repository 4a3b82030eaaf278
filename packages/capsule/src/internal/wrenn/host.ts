/**
 * The host of a capsule behind Wrenn's API. The service enforces no policy, so this side does; what is detached lives there,
 * and is followed from here as long as there is somebody to follow it.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { DetachOptions } from "effect-exec/ExecOptions"
import type { Host, Prepared } from "effect-exec/Host"
import type { Policy } from "effect-exec/Policy"
import type { DetachedProcess } from "effect-exec/Process"
import * as ProcessId from "effect-exec/ProcessId"
import { type ProcessInfo, publicCommand } from "effect-exec/ProcessInfo"
import * as Supervisor from "effect-exec/Supervisor"
import { attached, background, type Background, capabilities, type Place } from "./backend.ts"
import { backend } from "./failure.ts"
import type { WrennProcess } from "./process.ts"

// What others have started is theirs: nothing is enforced, and what it leaves behind is left.
const theirs: Policy = {
  timeout: Duration.infinity,
  grace: Duration.seconds(2),
  killDeadline: Duration.seconds(5),
  maxOutput: Infinity,
  lingering: "leave"
}

/** The id of a process that others have started, as long as it runs. */
const idOf = (pid: number): ProcessId.ProcessId => ProcessId.make(`pid-${pid}`)

const pidOf = (selector: string | number): number => {
  if (typeof selector === "number") return selector
  const digits = /^(?:pid-)?(\d+)$/.exec(selector)?.[1]
  return digits === undefined ? -1 : Number(digits)
}

interface Foreign {
  readonly pid: number
  readonly tag: string | undefined
  readonly command: Command
}

/** Closing the scope ends what is attached; what is detached lives on. */
export const make = Effect.fnUntraced(function* (place: Place): Effect.fn.Return<Host, never, Scope.Scope> {
  const { capsule, http } = place
  const spawned = new Set<number>()
  const plans = new Map<ProcessId.ProcessId, Background>()
  const followed = new Set<WrennProcess>()
  const live = yield* Supervisor.make(attached(place, spawned))
  const detached = yield* Supervisor.make(background(place, plans, followed))
  // Before the supervisor would end them.
  yield* Effect.addFinalizer(() => Effect.sync(() => followed.forEach((process) => process.release())))
  const adopting = Semaphore.makeUnsafe(1)

  const running: Effect.Effect<ReadonlyArray<Foreign>, ExecError.ExecError> = Effect.map(
    http.processes(capsule),
    (processes) =>
      processes.flatMap(({ args, cmd = "", pid, tag }) =>
        spawned.has(pid) ? [] : [{ pid, tag, command: { argv: [cmd, ...(args ?? [])] } satisfies Command }]
      )
  )

  // The service lets tags be taken twice; this cannot keep two clients from doing so at the same moment. It also sees that
  // there is somebody to ask: of a start that nobody answers one does not know whether it was one.
  const untaken = (tag: string, id: ProcessId.ProcessId | undefined): Effect.Effect<void, ExecError.ExecError> =>
    Effect.flatMap(id === undefined ? Effect.succeed(false) : isTaken(id), (isStarted) =>
      isStarted
        ? Effect.void
        : Effect.flatMap(running, (processes) =>
            processes.some((process) => process.tag === tag)
              ? Effect.fail(ExecError.make(new ExecError.TagInUse({ tag })))
              : Effect.void
          )
    )

  const plan = <E, R>(
    prepared: Prepared,
    options: DetachOptions<E, R>,
    { pid, tag }: Background
  ): Effect.Effect<DetachedProcess, ExecError.ExecError, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => plans.set(prepared.request.id, { pid, tag })),
      () => detached.detach(prepared, { ...options, id: prepared.request.id, tag }),
      () => Effect.sync(() => plans.delete(prepared.request.id))
    )

  const adopt = ({ command, pid, tag }: Foreign): Effect.Effect<DetachedProcess, ExecError.ExecError> =>
    Effect.gen(function* () {
      // Of an id that had another process with this pid before, the next one is another.
      const id = (yield* isTaken(idOf(pid))) ? yield* ProcessId.random : idOf(pid)
      const request = { id, command, stdin: "none", lingering: theirs.lingering } as const
      return yield* plan<never, never>(
        { request, policy: theirs },
        {},
        { pid, tag: tag ?? (yield* ProcessId.randomTag) }
      )
    })

  const isTaken = (id: ProcessId.ProcessId) => Effect.isSuccess(detached.get(id))

  const known = (selector: string | number) => Effect.option(detached.get(selector))

  const get = Effect.fnUntraced(function* (
    selector: string | number
  ): Effect.fn.Return<DetachedProcess, ExecError.ExecError> {
    const own = yield* known(selector)
    if (own._tag === "Some" && (yield* own.value.isRunning)) return own.value
    const pid = pidOf(selector)
    const found = (yield* running).find((process) => process.pid === pid || process.tag === selector)
    if (found === undefined) return yield* Effect.fromOption(own).pipe(Effect.mapError(() => notFound(selector)))
    const followed = yield* known(found.pid)
    return followed._tag === "Some" && (yield* followed.value.isRunning) ? followed.value : yield* adopt(found)
  })

  const list: Host["list"] = (options) =>
    Effect.gen(function* () {
      const own = yield* detached.list(options)
      const pids = new Set(own.flatMap(({ pid, status }) => (status === undefined ? [pid] : [])))
      const others = (yield* running).filter(({ pid }) => !pids.has(pid))
      return [
        ...own,
        ...others.map(({ command, pid, tag = "" }): ProcessInfo => ({
          id: idOf(pid),
          pid,
          tag,
          command: publicCommand(command)
        }))
      ]
    })

  return {
    name: backend,
    capabilities: capabilities(place),
    spawn: live.spawn,
    detach: (prepared, options) =>
      Effect.flatMap(options.tag === undefined ? ProcessId.randomTag : Effect.succeed(options.tag), (tag) =>
        Effect.andThen(untaken(tag, options.id), plan(prepared, options, { tag }))
      ),
    get: (selector) => adopting.withPermit(get(selector)),
    list,
    events: detached.events
  }
})

const notFound = (selector: string | number) =>
  ExecError.make(new ExecError.ProcessNotFound({ selector: String(selector) }))
