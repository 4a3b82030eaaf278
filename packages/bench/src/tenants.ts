/**
 * Who uses a server in the soak: each makes a capsule, works in it, and leaves it in one of the ways in which capsules are left.
 */
import { createHash, randomBytes } from "node:crypto"
import { NodeWS } from "@effect/platform-node"
import { Capsule, CapsuleClient } from "@effect-exec/capsule"
import * as FaultProxy from "@effect-exec/testing/FaultProxy"
import * as ShFixtures from "@effect-exec/testing/ShFixtures"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Exec } from "effect-exec"
import * as Actions from "./soakActions.ts"

/** What all of them share. */
export interface Town {
  readonly url: string
  readonly templates: ReadonlyArray<string>
  /** What every mark begins with. */
  readonly prefix: string
  /** Has a client do something and be killed. */
  readonly killed: (mark: string) => Effect.Effect<void>
  readonly count: (what: string) => void
  readonly problem: (what: string) => void
}

/** The way to a server, which is cut again and again. */
export const link = Effect.fnUntraced(function* (
  url: string,
  random: () => number
): Effect.fn.Return<{ readonly url: string; readonly count: () => number }, never, Scope.Scope> {
  const proxy = yield* FaultProxy.make({ target: { port: Number(new URL(url).port) } })
  let count = 0
  yield* Effect.suspend(() => Effect.sleep(300 + random() * 2_500)).pipe(
    Effect.andThen(Effect.suspend(() => proxy.cut(random() < 0.5 ? "reset" : "end"))),
    Effect.tap((cuts) => Effect.sync(() => (count += cuts))),
    Effect.forever,
    Effect.forkScoped
  )
  return { url: `ws://${proxy.host}:${proxy.port}`, count: () => count }
})

const fixtures = ShFixtures.make()
let marks = 0

/** Random bytes, which come as they were written. */
const exact = Effect.fnUntraced(function* (exec: Exec.Exec["Service"], next: Actions.Choose) {
  const size = next.below(2_000_000)
  const { stderr, stdoutBytes } = yield* exec.run(fixtures.random(size, 1), {
    maxOutput: Infinity,
    timeout: "1 minute"
  })
  const hash = createHash("sha256").update(stdoutBytes).digest("hex")
  if (stdoutBytes.length !== size || !stderr.startsWith(hash)) {
    return yield* new Actions.Wrong({ what: `${stdoutBytes.length} of ${size} bytes came, or other ones` })
  }
})

/** A file, which is read as it was written. */
const file = Effect.fnUntraced(function* ({ readFile, writeFile }: Capsule.Capsule["Service"], next: Actions.Choose) {
  const bytes = randomBytes(next.below(1_000_000))
  const name = `file ${++marks}`
  yield* writeFile(name, bytes)
  const read = yield* Stream.runFold(
    readFile(name),
    () => createHash("sha256"),
    (hash, part) => hash.update(part)
  )
  if (read.digest("hex") !== createHash("sha256").update(bytes).digest("hex")) {
    return yield* new Actions.Wrong({ what: "a file was read that had not been written" })
  }
})

/** Works until then, some things at a time. Once it may be gone, that it is gone is fine. */
const work = Effect.fnUntraced(function* (
  town: Town,
  capsule: Capsule.Capsule["Service"],
  next: Actions.Choose,
  until: number,
  mayBeGone: () => boolean
) {
  const { exec } = capsule
  const world: Actions.World = { exec, detached: [], gone: () => {} }
  const one = Effect.suspend((): Effect.Effect<string, Error> => {
    if (next.below(6) === 0) return Effect.as(exact(exec, next), "exact")
    if (next.below(8) === 0) return Effect.as(file(capsule, next), "file")
    const action = Actions.next(world, next, `${town.prefix}${++marks}.`)
    return Effect.as(
      Effect.mapError(action.effect, (error) => new Actions.Wrong({ what: `${action.what}: ${error.message}` })),
      action.kind
    )
  })
  const actor = Effect.gen(function* () {
    while (performance.now() < until) {
      const exit = yield* Effect.exit(one)
      if (Exit.isSuccess(exit)) town.count(exit.value)
      else if (mayBeGone()) return
      else town.problem(Cause.pretty(exit.cause))
    }
  })
  yield* Effect.all([actor, actor, actor], { concurrency: "unbounded", discard: true })
  yield* Effect.forEach(world.detached, ({ tag }) => exec.kill(tag, { signal: "SIGKILL" }), { discard: true }).pipe(
    Effect.catch((error) => Effect.sync(() => (mayBeGone() ? undefined : town.problem(error.message))))
  )
})

/** One stay in a capsule. */
const stay = Effect.fnUntraced(function* (town: Town, next: Actions.Choose, end: number) {
  const template = next.of(town.templates)
  const until = Math.min(end, performance.now() + 500 + next.below(4_000))
  const leave = next.of(["closed", "closed", "forgotten", "destroyed", "killed"] as const)
  town.count(leave)
  switch (leave) {
    case "closed":
      return yield* Effect.flatMap(Capsule.make({ template }), (capsule) =>
        work(town, capsule, next, until, () => false)
      )
    case "forgotten": {
      const { create } = yield* CapsuleClient.CapsuleClient
      const { id } = yield* create({ template })
      const capsule = yield* Capsule.connect(id)
      return yield* work(town, capsule, next, until, () => false)
    }
    case "destroyed": {
      const capsule = yield* Capsule.make({ template })
      let isGone = false
      const destroy = Effect.andThen(
        Effect.sleep(next.below(2_000)),
        Effect.suspend(() => {
          isGone = true
          return Capsule.destroy(capsule.id)
        })
      )
      return yield* Effect.all([destroy, work(town, capsule, next, until, () => isGone)], {
        concurrency: "unbounded",
        discard: true
      })
    }
    case "killed":
      return yield* town.killed(`${town.prefix}${++marks}.`)
  }
}, Effect.scoped)

/** Stays in one capsule after the other until then. */
export const tenant = (town: Town, next: Actions.Choose, until: number): Effect.Effect<void> => {
  const client = Layer.provide(CapsuleClient.layer({ url: town.url }), NodeWS.layerWebSocketConstructor)
  return Effect.gen(function* () {
    while (performance.now() < until) {
      const exit = yield* Effect.exit(stay(town, next, until))
      if (Exit.isFailure(exit)) town.problem(`a stay failed: ${Cause.pretty(exit.cause)}`)
    }
  }).pipe(Effect.provide(client))
}
