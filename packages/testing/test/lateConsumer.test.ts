import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope, Stream } from "effect"
import * as TestClock from "effect/testing/TestClock"
import { Command, Exec } from "effect-exec"
import { TestExec } from "@effect-exec/testing"

const layer = TestExec.layer({
  programs: {
    silentEscape: (io) =>
      Effect.andThen(
        io.fork(() => Effect.never, { escape: true }),
        io.stdout("hi\n")
      ),
    talker: (io) => Effect.andThen(io.stdout("hi\n"), Effect.never)
  }
})

describe("a consumer that comes late", () => {
  it.effect("C15 a survivor that holds the pipe ends the drain, also where the process had ended before any pull", () =>
    Effect.gen(function* () {
      const process = yield* Exec.spawn(Command.make("silentEscape"))
      yield* process.wait
      yield* TestClock.adjust("1 second")
      const reading = yield* Effect.forkChild(Stream.runCollect(process.events))
      for (let time = 0; time < 100; time++) yield* TestClock.adjust("10 millis")
      assert.isDefined(reading.pollUnsafe(), "it has not ended yet")
      assert.include((yield* Fiber.join(reading)).at(-1), { _tag: "Exited", incomplete: true })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.effect("C24 nothing that was unread when the scope closed is missing in silence, also before any pull", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const process = yield* Scope.provide(Exec.spawn(Command.make("talker")), scope)
      yield* TestClock.adjust(0)
      yield* Scope.close(scope, Exit.void)
      const exit = yield* Effect.exit(Stream.runDrain(process.events))
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(layer))
  )
})
