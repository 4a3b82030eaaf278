/** What is started when it is needed: once, again after its end, and not any more once its scope is closed. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { assert, it } from "@effect/vitest"
import * as ExecError from "../src/ExecError.ts"
import * as Restarting from "../src/Restarting.ts"

/** Numbers, each open until its scope closes. */
const numbers = () => {
  const seen = { started: 0, open: 0, ended: false }
  const start = Effect.acquireRelease(
    Effect.sync(() => {
      seen.ended = false
      seen.open++
      return { number: ++seen.started, hasEnded: () => seen.ended }
    }),
    () => Effect.sync(() => void seen.open--)
  )
  return { seen, start }
}

const unavailable = ExecError.make(new ExecError.BackendUnavailable({ backend: "test", hint: "Wait." }))

const isClosed = (effect: Effect.Effect<unknown, ExecError.ExecError>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => assert.strictEqual(reason._tag, "Closed"))

it.effect("many that need it at once get one; when it has ended, the next one gets another", () =>
  Effect.gen(function* () {
    const { seen, start } = numbers()
    const current = yield* Restarting.make(Effect.delay(start, 0))
    const all = yield* Effect.all(
      Array.from({ length: 5 }, () => current),
      { concurrency: "unbounded" }
    )
    assert.deepStrictEqual(new Set(all.map(({ number }) => number)), new Set([1]))
    seen.ended = true
    assert.strictEqual((yield* current).number, 2)
    assert.strictEqual(seen.open, 1, "the first one was closed")
  })
)

it.effect("a start that fails leaves nothing, and is tried again by the next one", () =>
  Effect.gen(function* () {
    const { seen, start } = numbers()
    const current = yield* Restarting.make(
      Effect.flatMap(start, (it) => (it.number === 1 ? Effect.fail(unavailable) : Effect.succeed(it)))
    )
    assert.strictEqual(yield* Effect.flip(current), unavailable)
    assert.strictEqual(seen.open, 0)
    assert.strictEqual((yield* current).number, 2)
  })
)

it.effect("once its scope is closed nothing is started, and nobody waits for what never comes", () =>
  Effect.gen(function* () {
    const { seen, start } = numbers()
    const scope = yield* Scope.make()
    const used = yield* Scope.provide(Restarting.make(start), scope)
    yield* used
    const unused = yield* Scope.provide(Restarting.make(start), scope)
    const reached = yield* Deferred.make<void>()
    const slow = yield* Scope.provide(
      Restarting.make(Effect.andThen(Deferred.succeed(reached, undefined), Effect.andThen(start, Effect.never))),
      scope
    )
    const waiting = yield* Effect.forkChild(Effect.all([isClosed(slow), isClosed(slow)], { concurrency: 2 }))
    yield* Deferred.await(reached)
    yield* Scope.close(scope, Exit.void)
    yield* Fiber.join(waiting)
    yield* isClosed(used)
    yield* isClosed(unused)
    assert.strictEqual(seen.open, 0)
    assert.strictEqual(seen.started, 2)
  })
)
