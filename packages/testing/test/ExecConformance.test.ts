/**
 * Proof that the suite can fail: backends that break one promise each, and the tests that have to notice, just these.
 */
import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type { Backend, Exec } from "effect-exec"
import { ExecConformance, MemoryFixtures, TestExec } from "@effect-exec/testing"
import * as broken from "./brokenBackends.ts"

const target = { capabilities: TestExec.capabilities, fixtures: MemoryFixtures.fixtures }

/** From every chapter some, by the beginning of their titles: those that do not take long. */
const panel = [
  "C0 capabilities",
  "C1 arguments",
  "C3 env reaches",
  "C5 user is honoured",
  "C6 a program that does not exist",
  "C8 stdin is text",
  "C9 what a process does not read",
  "C9 writing to a process that has closed",
  "C10 every exit code",
  "C10 a death by signal",
  "C10 bytes that are no text",
  "C12 what ignores TERM",
  "C13 maxOutput ends",
  "C14 more than any pipe holds, on stdout",
  "C14 more than any pipe holds, on stderr",
  "C15 lingering kill",
  "C15 lingering leave",
  "C16 interrupting run",
  "C20 Started is first",
  "C20 an interrupted reader",
  "C21 random bytes on stdout",
  "C22 a character",
  "C23 while nobody takes",
  "C24 ending a stream that is full",
  "C42 every signal",
  "C44 KILL ends all of a tree (background)",
  "C44 closing the scope ends all of a tree (stubborn)",
  "C50 the process has a terminal",
  "C50 its output is one merged stream"
]

/** What watches the time, and so has to run when little else does: all tests share one thread. */
const watching = ["C12 what ignores TERM", "C23 while nobody takes"]

const cases = ExecConformance.cases(target)

const fails = (layer: Layer.Layer<Exec.Exec>, beginning: string): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const { effect } = cases.find(({ title }) => title.startsWith(beginning)) ?? assert.fail(beginning)
    const running = yield* effect.pipe(
      Effect.scoped,
      Effect.provide([Layer.fresh(layer), Logger.layer([])]),
      // Detached, for on some of these backends nothing ends, the ending included.
      Effect.forkDetach
    )
    const exit = yield* Effect.timeoutOption(Fiber.await(running), "20 seconds")
    running.interruptUnsafe()
    return exit._tag === "None" || Exit.isFailure(exit.value)
  })

interface Broken {
  readonly what: string
  readonly layer: Layer.Layer<Exec.Exec>
  /** The tests that have to notice. */
  readonly caughtBy: ReadonlyArray<string>
  /** The tests to run. */
  readonly of: ReadonlyArray<string>
}

const backend = (
  what: string,
  breaking: (backend: Backend.Backend) => Backend.Backend,
  caughtBy: ReadonlyArray<string>,
  of = panel
): Broken => ({ what, layer: broken.layer(breaking), caughtBy, of })

const long = [
  "C13 maxOutput ends",
  "C14 more than any pipe holds, on stdout",
  "C14 more than any pipe holds, on stderr",
  "C20 an interrupted reader",
  "C21 random bytes on stdout",
  "C23 while nobody takes"
]

const backends = [
  backend("breaks nothing", (sound) => sound, []),
  backend("drops a chunk", broken.dropsAChunk, long),
  backend("takes a lost link for the end of the output", broken.quietLoss, [
    "C14 more than any pipe holds, on stdout",
    "C14 more than any pipe holds, on stderr",
    "C20 Started is first",
    "C20 an interrupted reader",
    "C21 random bytes on stdout",
    "C23 while nobody takes"
  ]),
  backend("splits a character", broken.splitsACharacter, [
    "C8 stdin is text",
    "C10 bytes that are no text",
    "C21 random bytes on stdout",
    "C22 a character"
  ]),
  backend("gives stderr as stdout", broken.mixesStreams, [
    "C10 bytes that are no text",
    "C14 more than any pipe holds, on stderr",
    "C21 random bytes on stdout",
    "C22 a character"
  ]),
  backend("reads ahead without backpressure", broken.readsAhead, ["C23 while nobody takes"]),
  backend("delivers twice after an interrupted pull", broken.deliversTwice, ["C20 an interrupted reader"]),
  // Nothing at all can pass on such a backend, and everything takes until the test gives up.
  backend(
    "never tells of the exit",
    broken.endsWithoutExit,
    ["C10 every exit code", "C20 Started is first"],
    ["C0 capabilities", "C10 every exit code", "C20 Started is first"]
  ),
  backend("takes the end of the output for the exit", broken.exitIsEndOfFile, [
    "C15 lingering kill",
    "C15 lingering leave"
  ]),
  backend("invents exit 0 for a signal", broken.inventsExitZero, ["C10 a death by signal", "C12 what ignores TERM"]),
  backend("never escalates: KILL is ignored", broken.neverEscalates, [
    "C12 what ignores TERM",
    "C15 lingering kill",
    "C42 every signal",
    "C44 KILL ends all of a tree (background)"
  ]),
  backend("leaks children", broken.leaksChildren, [
    "C12 what ignores TERM",
    "C15 lingering kill",
    "C16 interrupting run",
    "C42 every signal",
    "C44 KILL ends all of a tree (background)",
    "C44 closing the scope ends all of a tree (stubborn)"
  ]),
  backend("sends another signal", broken.sendsAnotherSignal, ["C42 every signal"]),
  backend("declares terminals that it lacks", broken.lacksTerminals, [
    "C50 the process has a terminal",
    "C50 its output is one merged stream"
  ]),
  backend("declares less than the suite was told", broken.declaresLess, ["C0 capabilities", "C5 user is honoured"]),
  backend("reports a failed start on stdout", broken.startFailureOnStdout, ["C6 a program that does not exist"]),
  backend("takes more stdin than is read", broken.swallowsStdin, [
    "C9 what a process does not read",
    "C9 writing to a process that has closed"
  ]),
  backend("loses the environment", broken.losesEnv, ["C3 env reaches", "C16 interrupting run"])
]

describe("ExecConformance", () => {
  const failed = new Map<Broken, ReadonlyArray<string>>()

  beforeAll(
    () =>
      Effect.gen(function* () {
        const all = backends.flatMap((backend) => backend.of.map((test) => ({ backend, test })))
        const run = (watches: boolean, concurrency: number) =>
          Effect.filter(
            all.filter(({ test }) => watching.includes(test) === watches),
            ({ backend, test }) => fails(backend.layer, test),
            { concurrency }
          )
        const first = [...(yield* run(false, 60)), ...(yield* run(true, 3))]
        // Where sixty share a thread, one is late now and then: what nobody expected is looked at again, alone.
        const found = yield* Effect.filter(first, ({ backend, test }) =>
          backend.caughtBy.includes(test) ? Effect.succeed(true) : fails(backend.layer, test)
        )
        for (const backend of backends) {
          const tests = found.filter((it) => it.backend === backend).map(({ test }) => test)
          failed.set(
            backend,
            panel.filter((test) => tests.includes(test))
          )
        }
      }).pipe(Effect.runPromise),
    240_000
  )

  for (const backend of backends) {
    const { what, caughtBy, of } = backend
    it(`a backend that ${what} is caught by ${caughtBy.length} of ${of.length} tests`, () =>
      assert.deepStrictEqual(failed.get(backend), caughtBy))
  }

  it("numbers every test as the contract does, and no two are called alike", () => {
    for (const { number, title } of cases) {
      assert.match(title, /^C\d+ \S/)
      assert.isTrue(title.startsWith(`${number} `))
    }
    assert.strictEqual(new Set(cases.map(({ title }) => title)).size, cases.length)
  })
})
