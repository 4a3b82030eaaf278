/**
 * One session: processes that are played, processes that are real and written down, and what becomes of the cassette.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Backend, Running, SpawnRequest } from "effect-exec/Backend"
import type { Capabilities } from "effect-exec/Capabilities"
import * as ExecError from "effect-exec/ExecError"
import type { Host, Prepared } from "effect-exec/Host"
import type { Cassette, CassetteError, Recording } from "../../Cassette.ts"
import { ProcessClock } from "./clock.ts"
import { play } from "./player.ts"
import { type Draft, watch } from "./recording.ts"
import { Secrets, secretsOf } from "./secrets.ts"
import { keyOf, Tapes } from "./tapes.ts"

/** One start, on its way from the host to the backend and back. */
interface Take {
  readonly clock: ProcessClock
  readonly recording: Recording | undefined
  draft: Draft | undefined
  isStarted: boolean
}

const CurrentTake = Context.Reference<Take | undefined>("@effect-exec/testing/Recorder/take", {
  defaultValue: () => undefined
})

/** A session over a real backend, a cassette, or both. */
export class Session {
  private readonly secrets = new Secrets()
  private readonly tapes: Tapes
  private readonly real: Backend | undefined
  private readonly pace: "instant" | "recorded"
  private readonly path: string
  private capabilities: Capabilities | undefined
  // In the order of the starts; what is real is still in the making.
  private readonly recordings: Array<Recording> = []

  constructor(
    path: string,
    cassette: Cassette,
    real: Backend | undefined,
    pace: "instant" | "recorded",
    secrets: ReadonlyArray<string>
  ) {
    this.path = path
    this.real = real
    this.pace = pace
    this.capabilities = cassette.capabilities
    this.secrets.add(secrets)
    this.tapes = new Tapes(path, cassette.recordings, this.secrets)
  }

  get backend(): Backend {
    return {
      name: "recorder",
      capabilities: Effect.suspend(() => this.knownCapabilities),
      spawn: (request) => this.spawn(request)
    }
  }

  private get knownCapabilities(): Effect.Effect<Capabilities, ExecError.ExecError> {
    if (this.capabilities !== undefined) return Effect.succeed(this.capabilities)
    if (this.real === undefined) {
      const hint = `The cassette ${this.path} does not say what it can do; record it anew.`
      return Effect.fail(ExecError.make(new ExecError.BackendUnavailable({ backend: "recorder", hint })))
    }
    return Effect.tap(this.real.capabilities, (capabilities) => Effect.sync(() => (this.capabilities = capabilities)))
  }

  /** The same host, whose processes have a time of their own, and are called as they were when they were recorded. */
  host(host: Host): Host {
    return {
      ...host,
      spawn: (prepared, options) => this.take(prepared, options, (prepared, options) => host.spawn(prepared, options)),
      detach: (prepared, options) => this.take(prepared, options, (prepared, options) => host.detach(prepared, options))
    }
  }

  private take<
    O extends { readonly id?: unknown; readonly tag?: string | undefined },
    P extends { readonly tag: string },
    E,
    R
  >(
    prepared: Prepared,
    options: O,
    start: (prepared: Prepared, options: O) => Effect.Effect<P, E, R>
  ): Effect.Effect<P, E, R> {
    return Effect.flatMap(Clock.Clock, (clock) => {
      // With an id of the caller's own it may be that nothing is to be started.
      const recording = options.id === undefined ? this.tapes.claim(prepared.request) : undefined
      const known = recording ?? this.tapes.next(prepared.request)
      const take: Take = { clock: new ProcessClock(clock), recording, draft: undefined, isStarted: false }
      const id = recording?.start.id ?? prepared.request.id
      const tag = known?.start.tag
      return start(
        { ...prepared, request: { ...prepared.request, id } },
        options.tag === undefined && tag !== undefined ? { ...options, tag } : options
      ).pipe(
        Effect.provideService(CurrentTake, take),
        Effect.provideService(Clock.Clock, take.clock),
        Effect.tap((process) =>
          Effect.sync(() => {
            if (take.draft !== undefined) take.draft.start = { ...take.draft.start, tag: process.tag }
          })
        ),
        Effect.ensuring(
          Effect.sync(() => {
            if (recording !== undefined && !take.isStarted) this.tapes.giveBack(recording)
          })
        )
      )
    })
  }

  private spawn(request: SpawnRequest): Effect.Effect<Running, ExecError.ExecError, Scope.Scope> {
    return Effect.flatMap(CurrentTake, (current) => {
      const take = current!
      take.isStarted = true
      const recording = take.recording ?? this.tapes.claim(request)
      if (recording !== undefined) return this.replay(recording, take)
      return this.real === undefined ? Effect.die(this.tapes.refuse(request)) : this.record(this.real, request, take)
    })
  }

  private replay(recording: Recording, { clock }: Take) {
    this.recordings.push(recording)
    clock.start(recording.start.startedAt)
    const { failed } = recording.start
    return failed === undefined
      ? play(recording, clock, this.pace === "recorded" ? clock.real : undefined)
      : Effect.fail(ExecError.make(failed))
  }

  private record(backend: Backend, request: SpawnRequest, take: Take) {
    const { clock } = take
    const { real } = clock
    const startedAt = Math.floor(real.currentTimeMillisUnsafe())
    const draft: Draft = { start: { ...keyOf(request), id: request.id, startedAt }, entries: [] }
    take.draft = draft
    this.recordings.push(draft)
    this.secrets.add(secretsOf(request.command))
    clock.start(startedAt)
    return backend.spawn(request).pipe(
      Effect.tapError(({ reason }) => Effect.sync(() => (draft.start = { ...draft.start, failed: reason }))),
      Effect.map((running) => {
        draft.start = { ...draft.start, pid: running.pid }
        return watch(onClock(running, real), draft, clock, real)
      }),
      Effect.provideService(Clock.Clock, real)
    )
  }

  /** The end: what was recorded is written, and what was not in the cassette is told. */
  close(
    exit: Exit.Exit<unknown, unknown>,
    write: (cassette: Cassette) => Effect.Effect<void, CassetteError>
  ): Effect.Effect<void> {
    const left = this.tapes.left.length
    if (this.real === undefined) {
      const { problem } = this.tapes
      // Of a session that failed it is known why.
      if (Exit.isFailure(exit)) return Effect.void
      if (problem !== undefined) return Effect.die(problem)
      return left === 0 ? Effect.void : Effect.logWarning(`${left} recordings of ${this.path} were not run`)
    }
    if (Exit.isFailure(exit)) {
      return Effect.logWarning(`The cassette ${this.path} is left as it was: what was to be recorded failed`)
    }
    return Effect.exit(this.knownCapabilities).pipe(
      Effect.flatMap(() =>
        write({
          capabilities: this.capabilities,
          recordings: this.recordings.map((recording) => this.secrets.recording(recording))
        })
      ),
      Effect.orDie
    )
  }
}

// What is real goes by a real clock, whoever waits for it.
const onClock = (running: Running, clock: Clock.Clock): Running => {
  const real = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.provideService(effect, Clock.Clock, clock)
  return {
    ...running,
    pull: real(running.pull),
    closeOutput: real(running.closeOutput),
    write: (bytes) => real(running.write(bytes)),
    closeStdin: real(running.closeStdin),
    exited: real(running.exited),
    treeEmpty: real(running.treeEmpty),
    signal: (signal, scope) => real(running.signal(signal, scope)),
    ...(running.resize === undefined ? {} : { resize: (size) => real(running.resize!(size)) })
  }
}
