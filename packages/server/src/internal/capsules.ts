/**
 * The capsules of a server: made of templates, found by their ids, ended when nobody uses them any more.
 */
import { randomBytes } from "node:crypto"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { closeCodes } from "@effect-exec/capsule/Wire"
import { Exec } from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import * as Host from "effect-exec/Host"
import { Capsule, type Options as CapsuleOptions } from "./capsule.ts"
import type { Shared } from "./sessions.ts"

/** What capsules are made of, by name. */
export type Templates = Readonly<Record<string, Layer.Layer<Exec, unknown>>>

/** How a capsule is made. */
export interface CreateOptions {
  readonly template: string
  /** Creating twice with one id creates once. */
  readonly id?: string | undefined
  readonly idleTimeout?: Duration.Duration | undefined
}

export interface Capsules {
  /** Makes one; it may be starting still when this returns. Interrupting it stops waiting. */
  readonly create: (options: CreateOptions) => Effect.Effect<Capsule, ExecError.ExecError>
  /** The one with this id, or the server's own, while it exists. */
  readonly find: (id?: string) => Capsule | undefined
  readonly all: () => ReadonlyArray<Capsule>
  /** One that has ended not long ago. */
  readonly ended: (id: string) => Facts | undefined
  /** Tells its clients, ends everything in it, and returns when that has ended. */
  readonly destroy: (id: string) => Effect.Effect<void, ExecError.ExecError>
}

/** What is known of a capsule without it. */
export type Facts = Pick<Capsule, "id" | "template" | "idleTimeout" | "createdAt" | "lastUsedAt">

interface Entry {
  readonly template: string
  readonly scope: Scope.Closeable
  readonly made: Deferred.Deferred<Capsule, ExecError.ExecError>
  /** Once it is made. */
  capsule: Capsule | undefined
}

const idPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/

const longestLook = 5_000

// Of those that have ended, so that who asks can be told so.
const mostEnded = 1_000

/** The id of the capsule that a server has from the start. */
const mainId = "main"

/** What a server offers. */
export interface Offer {
  readonly templates: Templates
  /** The capsule that there is from the start, and as long as the server. */
  readonly main: Exec["Service"] | undefined
  readonly idleTimeout: Duration.Duration
  readonly shared: Shared
}

/** Closing the scope destroys them all. */
export const make = Effect.fnUntraced(function* ({
  idleTimeout,
  main,
  shared,
  templates
}: Offer): Effect.fn.Return<Capsules, never, Scope.Scope> {
  const entries = new Map<string, Entry>()
  const ended = new Map<string, Facts>()
  let isClosing = false
  const owner = yield* Effect.acquireRelease(Scope.make("parallel"), (scope, exit) => {
    isClosing = true
    return Scope.close(scope, exit)
  })

  // Its clients are told before what it is made of ends.
  const open = Effect.fnUntraced(function* (options: Omit<CapsuleOptions, "context" | "shared">, scope: Scope.Scope) {
    const annotated = Effect.annotateLogs(Effect.context<never>(), { capsule: options.id })
    const capsule = new Capsule({ ...options, shared, context: yield* annotated })
    const { sessions } = capsule
    const closing = Effect.suspend(() =>
      isClosing
        ? sessions.close(closeCodes.goingAway, "the server is shutting down")
        : sessions.close(closeCodes.noCapsule, options.id)
    )
    yield* Scope.addFinalizer(scope, closing)
    yield* Effect.forkIn(Effect.interruptible(capsule.start), scope)
    return capsule
  })

  const build = Effect.fnUntraced(function* (id: string, entry: Entry, options: CreateOptions) {
    const layer = Layer.fresh(templates[options.template]!)
    const exec = Context.get(yield* Layer.buildWithScope(layer, entry.scope), Exec)
    const { idleTimeout: limit = idleTimeout, template } = options
    entry.capsule = yield* open({ id, template, idleTimeout: limit, exec }, entry.scope)
    yield* Effect.logInfo("A capsule was made")
    return entry.capsule
  })

  const permanent =
    main === undefined
      ? undefined
      : yield* open({ id: mainId, template: mainId, idleTimeout: Duration.infinity, exec: main }, owner)

  const start = (id: string, entry: Entry, options: CreateOptions): Effect.Effect<void> =>
    build(id, entry, options).pipe(
      Effect.catchCause((cause) => {
        entries.delete(id)
        return Effect.logError("A capsule could not be made", cause).pipe(
          Effect.andThen(Scope.close(entry.scope, Exit.void)),
          Effect.andThen(Effect.fail(unbuildable(options.template)))
        )
      }),
      Effect.annotateLogs({ capsule: id, template: options.template }),
      Effect.exit,
      Effect.flatMap((exit) => Deferred.done(entry.made, exit))
    )

  const create = (options: CreateOptions): Effect.Effect<Capsule, ExecError.ExecError> =>
    Effect.suspend(() => {
      const { id = randomBytes(8).toString("hex"), template } = options
      if (isClosing) return Effect.fail(shuttingDown)
      if (!idPattern.test(id)) return invalid("id", "1 to 128 of A-Za-z0-9._- make one, the first a letter or digit")
      if (id === permanent?.id) return invalid("id", "the server's own capsule has it")
      const existing = entries.get(id)
      if (existing !== undefined) {
        return existing.template === template
          ? Deferred.await(existing.made)
          : invalid("id", "a capsule of another template has it")
      }
      if (!Object.hasOwn(templates, template)) {
        const names = Object.keys(templates).join(", ")
        return invalid("template", names === "" ? "this server has none" : `this server has these: ${names}`)
      }
      const { capsules: most } = shared.limits
      if (entries.size >= most) {
        return Effect.fail(ExecError.make(new ExecError.LimitReached({ limit: `${most} capsules of the server` })))
      }
      const scope = Scope.forkUnsafe(owner)
      const entry: Entry = { template, scope, made: Deferred.makeUnsafe(), capsule: undefined }
      entries.set(id, entry)
      // In a fiber of its own: whoever asked may go, and ask again for what he does not know that he got.
      const made = Effect.forkIn(Effect.uninterruptible(start(id, entry, options)), owner, { startImmediately: true })
      return Effect.andThen(made, Deferred.await(entry.made))
    })

  const remember = ({ createdAt, id, idleTimeout, lastUsedAt, template }: Capsule): void => {
    ended.delete(id)
    ended.set(id, { id, template, idleTimeout, createdAt, lastUsedAt })
    if (ended.size > mostEnded) for (const [oldest] of ended) return void ended.delete(oldest)
  }

  const end = (id: string, why: string): Effect.Effect<void> => {
    const entry = entries.get(id)
    // From here on nobody finds it.
    entries.delete(id)
    if (entry?.capsule !== undefined) remember(entry.capsule)
    return entry === undefined
      ? Effect.void
      : Scope.close(entry.scope, Exit.void).pipe(
          Effect.andThen(Effect.logInfo(`A capsule has ended: ${why}`)),
          Effect.annotateLogs({ capsule: id, template: entry.template }),
          Effect.uninterruptible
        )
  }

  const destroy = (id: string): Effect.Effect<void, ExecError.ExecError> =>
    Effect.suspend(() => {
      if (id === permanent?.id) return invalid("id", "the server's own capsule ends with the server")
      return entries.get(id)?.capsule === undefined
        ? Effect.fail(ExecError.make(new ExecError.SandboxNotFound({ sandbox: id })))
        : end(id, "it was destroyed")
    })

  const made = (): ReadonlyArray<Capsule> => Array.from(entries.values()).flatMap(({ capsule }) => capsule ?? [])

  const all = (): ReadonlyArray<Capsule> => (permanent === undefined ? made() : [permanent, ...made()])

  const endIdle = (capsule: Capsule): Effect.Effect<void> =>
    Effect.flatMap(capsule.isIdle, (isIdle) => (isIdle ? end(capsule.id, "nobody used it") : Effect.void))
  const sweepIdle = Effect.suspend(() => Effect.forEach(made(), endIdle, { concurrency: "unbounded", discard: true }))
  const sweepSilent = Effect.sync(() => {
    for (const { sessions } of all()) sessions.sweep()
  })
  const every = (millis: number, sweep: Effect.Effect<void>) =>
    Effect.forkIn(Effect.forever(Effect.andThen(Host.sleep(Duration.millis(millis)), sweep)), owner)
  yield* every(Math.min(Duration.toMillis(idleTimeout) / 10, longestLook), sweepIdle)
  yield* every(shared.limits.silence / 3, sweepSilent)

  return {
    create,
    find: (id = mainId) => (id === permanent?.id ? permanent : entries.get(id)?.capsule),
    all,
    ended: (id) => (entries.has(id) ? undefined : ended.get(id)),
    destroy
  }
})

const shuttingDown = ExecError.make(
  new ExecError.BackendUnavailable({
    backend: "capsule",
    hint: "It is shutting down; try again later, or another one."
  })
)

const invalid = (field: string, problem: string) =>
  Effect.fail(ExecError.make(new ExecError.InvalidCommand({ field, problem })))

const unbuildable = (template: string) =>
  ExecError.make(
    new ExecError.BackendUnavailable({
      backend: "capsule",
      hint: "The server's log says why.",
      detail: { backend: "capsule", text: `the template ${template} could not be built` }
    })
  )
