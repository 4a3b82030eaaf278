/**
 * Backends that break a promise, each just one, over the working one. The suite has to notice.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import { type Backend, Exec, ExecError, ExitStatus } from "effect-exec"
import { MemoryFixtures, TestExec } from "@effect-exec/testing"

type Running = Backend.Running
type Outputs = Effect.Success<Running["pull"]>
type Break = (running: Running, request: Backend.SpawnRequest) => Effect.Effect<Running>

const breakRunning =
  (change: Break) =>
  (backend: Backend.Backend): Backend.Backend => ({
    ...backend,
    spawn: (request) => Effect.flatMap(backend.spawn(request), (running) => change(running, request))
  })

const mapPull = (change: (outputs: Outputs) => ReadonlyArray<Backend.Output>): Break => {
  return (running) =>
    Effect.succeed({
      ...running,
      pull: Effect.map(running.pull, (outputs) => change(outputs) as Outputs)
    })
}

/** Loses a chunk in the middle of a long output. */
export const dropsAChunk = breakRunning((running) =>
  Effect.sync(() => {
    let seen = 0
    const pull: Running["pull"] = Effect.flatMap(running.pull, (outputs) => {
      const kept = outputs.filter(({ bytes }) => {
        const before = seen
        seen += bytes.length
        return before > 100_000 || seen <= 100_000
      })
      return kept.length === 0 ? pull : Effect.succeed(kept as unknown as Outputs)
    })
    return { ...running, pull }
  })
)

/** Decodes each chunk by itself, and so breaks characters, and bytes that are no text. */
export const splitsACharacter = breakRunning(
  mapPull((outputs) =>
    outputs.map(({ fd, bytes }) => ({ fd, bytes: new TextEncoder().encode(new TextDecoder().decode(bytes)) }))
  )
)

/** Gives stderr as stdout. */
export const mixesStreams = breakRunning(mapPull((outputs) => outputs.map(({ bytes }) => ({ fd: 1, bytes }))))

/** Believes that a signal was sent once it has been asked for KILL. */
export const neverEscalates = breakRunning((running) =>
  Effect.succeed({
    ...running,
    signal: (signal, scope) => (signal === "SIGKILL" ? Effect.void : running.signal(signal, scope))
  })
)

/** Has only codes, and for what has none invents 0. */
export const inventsExitZero = breakRunning((running) =>
  Effect.succeed({
    ...running,
    exited: Effect.map(running.exited, (status) => (status._tag === "Signaled" ? ExitStatus.exited(0) : status))
  })
)

/** Knows the process alone: signals nothing else, says that the tree is empty when it ended, and gives nothing back. */
export const leaksChildren = (backend: Backend.Backend): Backend.Backend => ({
  ...backend,
  spawn: (request) =>
    Effect.gen(function* () {
      const running = yield* Scope.provide(backend.spawn(request), yield* Scope.make())
      return {
        ...running,
        signal: (signal) => running.signal(signal === "SIGKILL" ? "SIGTERM" : signal, "process"),
        treeEmpty: Effect.asVoid(running.exited)
      }
    })
})

/** Loses the link with the last output, and does not notice that the process ended. */
export const endsWithoutExit = breakRunning((running) => Effect.succeed({ ...running, exited: Effect.never }))

/** Takes the loss of the link for the end of the output. */
export const quietLoss = breakRunning((running) =>
  Effect.sync(() => {
    let left = 100_000
    const pull: Running["pull"] = Effect.suspend(() =>
      left <= 0
        ? Cause.done()
        : Effect.tap(running.pull, (outputs) =>
            Effect.sync(() => {
              for (const { bytes } of outputs) left -= bytes.length
            })
          )
    )
    return { ...running, pull }
  })
)

/** Declares terminals, and has none. */
export const lacksTerminals = (backend: Backend.Backend): Backend.Backend => ({
  ...backend,
  spawn: (request) => {
    const { tty: _, ...command } = request.command
    return backend.spawn({ ...request, command })
  }
})

/** Says less of itself than the suite was told. */
export const declaresLess = (backend: Backend.Backend): Backend.Backend => ({
  ...backend,
  capabilities: Effect.map(backend.capabilities, (declared) => ({ ...declared, user: "none" as const }))
})

/** Reports a failed start as an exit 127 with a message on stdout, as engines do. */
export const startFailureOnStdout = (backend: Backend.Backend): Backend.Backend => ({
  ...backend,
  spawn: (request) =>
    Effect.catchReason(backend.spawn(request), "ExecError", "CommandNotFound", () =>
      Effect.sync(() => {
        let said = false
        const bytes = new TextEncoder().encode("exec failed: no such file\n")
        const gone = ExecError.make(new ExecError.ProcessExited({ id: request.id }))
        return {
          pid: 0,
          pull: Effect.suspend(() => {
            if (said) return Cause.done()
            said = true
            return Effect.succeed([{ fd: 1, bytes }] as const)
          }),
          closeOutput: Effect.void,
          write: () => Effect.fail(gone),
          closeStdin: Effect.void,
          exited: Effect.succeed(ExitStatus.exited(127)),
          treeEmpty: Effect.void,
          signal: () => Effect.void
        } satisfies Running
      })
    )
})

/** Reads on while nobody asks. */
export const readsAhead = breakRunning((running) =>
  Effect.sync(() => {
    const held: Array<Backend.Output> = []
    const readable = Latch.makeUnsafe(false)
    let end: Cause.Cause<ExecError.ExecError | Cause.Done> | undefined
    let begun = false
    const reading = running.pull.pipe(
      Effect.flatMap((outputs) => {
        held.push(...outputs)
        return readable.open
      }),
      Effect.forever,
      Effect.catchCause((cause) => {
        end = cause as typeof end
        return readable.open
      })
    )
    const pull: Running["pull"] = Effect.suspend(() => {
      if (held.length > 0) return Effect.succeed(held.splice(0) as unknown as Outputs)
      if (end !== undefined) return Effect.failCause(end) as Running["pull"]
      readable.closeUnsafe()
      return Effect.andThen(readable.await, pull)
    })
    return {
      ...running,
      pull: Effect.suspend(() => {
        if (begun) return pull
        begun = true
        return Effect.andThen(Effect.forkDetach(reading), pull)
      })
    }
  })
)

/** Gives the last output once more after an interrupted pull. */
export const deliversTwice = breakRunning((running) =>
  Effect.sync(() => {
    let last: Outputs | undefined
    let interrupted = false
    const pull: Running["pull"] = Effect.suspend(() => {
      if (interrupted && last !== undefined) {
        interrupted = false
        return Effect.succeed(last)
      }
      return running.pull.pipe(
        Effect.tap((outputs) => Effect.sync(() => (last = outputs))),
        Effect.onInterrupt(() => Effect.sync(() => (interrupted = true)))
      )
    })
    return { ...running, pull }
  })
)

/** Takes the end of the output for the end of the process. */
export const exitIsEndOfFile = breakRunning((running) =>
  Effect.gen(function* () {
    const ended = yield* Deferred.make<void>()
    const pull: Running["pull"] = Effect.onError(running.pull, (cause) =>
      Pull.isDoneCause(cause) ? Deferred.succeed(ended, void 0) : Effect.void
    )
    return { ...running, pull, exited: Effect.andThen(Deferred.await(ended), running.exited) }
  })
)

/** Takes all stdin at once, however much it is. */
export const swallowsStdin = breakRunning((running) =>
  Effect.sync(() => {
    let writing: Effect.Effect<unknown> = Effect.void
    return {
      ...running,
      write: (bytes) =>
        Effect.suspend(() => {
          const before = writing
          const done = Deferred.makeUnsafe<void>()
          writing = Deferred.await(done)
          return before.pipe(
            Effect.andThen(Effect.ignore(running.write(bytes))),
            Effect.andThen(Deferred.succeed(done, void 0)),
            Effect.forkDetach,
            Effect.asVoid
          )
        }),
      closeStdin: Effect.suspend(() => Effect.andThen(writing, running.closeStdin))
    }
  })
)

/** Loses the environment of the command. */
export const losesEnv = (backend: Backend.Backend): Backend.Backend => ({
  ...backend,
  spawn: (request) => {
    const { EFFECT_EXEC_SUITE } = request.command.env ?? {}
    return backend.spawn({ ...request, command: { ...request.command, env: { EFFECT_EXEC_SUITE } } })
  }
})

/** Sends another signal where it does not know the name. */
export const sendsAnotherSignal = breakRunning((running) =>
  Effect.succeed({
    ...running,
    signal: (signal, scope) => running.signal(signal === "SIGUSR1" || signal === "SIGURG" ? "SIGTERM" : signal, scope)
  })
)

/** A layer with what is broken, on a machine of its own. */
export const layer = (breaking: (backend: Backend.Backend) => Backend.Backend) =>
  Layer.effect(
    Exec.Exec,
    Effect.flatMap(TestExec.backend(MemoryFixtures.sandbox()), (it) => Exec.make(breaking(it)))
  )
