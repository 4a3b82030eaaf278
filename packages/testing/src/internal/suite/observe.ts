/**
 * C38: callbacks.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { assert } from "@effect/vitest"
import * as Exec from "effect-exec/Exec"
import * as ExitStatus from "effect-exec/ExitStatus"
import * as Process from "effect-exec/Process"
import { type Chapter, testOf } from "./case.ts"
import { eventually, numberLines } from "./facts.ts"

/** What was called back: a line for each end, and one for all text of a stream, in however many calls that came. */
const makeNotes = () => {
  const notes: Array<string> = []
  const text = (stream: string, text: string) =>
    Effect.sync(() => {
      const index = notes.findIndex((note) => note.startsWith(`${stream} `))
      if (index < 0) notes.push(`${stream} ${text}`)
      else notes[index] += text
    })
  return {
    notes,
    callbacks: {
      onStdout: (it: string, { tag }: Process.DetachedProcess) => text(`${tag} out`, it),
      onStderr: (it: string, { tag }: Process.DetachedProcess) => text(`${tag} err`, it),
      onExit: (status: ExitStatus.ExitStatus, { tag }: Process.DetachedProcess) =>
        Effect.sync(() => notes.push(`${tag} ${ExitStatus.format(status)}`))
    },
    has: (expected: ReadonlyArray<string>) =>
      eventually(
        () => `${JSON.stringify(expected)}; seen: ${JSON.stringify(notes)}`,
        Effect.sync(() => JSON.stringify(notes.toSorted()) === JSON.stringify(expected.toSorted()))
      )
  }
}

/** C38: callbacks. */
export const observing: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  return [
    test("C38 callbacks of one process fire for output and for the exit, a non-zero one too", ({ exec }) =>
      Effect.gen(function* () {
        const { callbacks, has } = makeNotes()
        const process = yield* exec.detach(fixtures.write(new Uint8Array([0x68, 0x69])), { tag: "C38-out" })
        const other = yield* exec.detach(fixtures.write(new Uint8Array([0x6f, 0x68]), 2), { tag: "C38-err" })
        const failing = yield* exec.detach(fixtures.exit(7), { tag: "C38-exit" })
        for (const one of [process, other, failing]) yield* Process.observe(one, callbacks)
        yield* has(["C38-out out hi", "C38-out exit 0", "C38-err err oh", "C38-err exit 0", "C38-exit exit 7"])
      })),
    test("C38 a callback that fails or never returns stalls neither the process nor the other callbacks", ({ exec }) =>
      Effect.gen(function* () {
        const { callbacks, notes } = makeNotes()
        const process = yield* exec.detach(fixtures.numbers(50_000), { tag: "C38-slow", ring: 1000 })
        yield* Process.observe(process, { onStdout: () => Effect.never, onExit: () => Effect.die("broken") })
        yield* Process.observe(process, { onStdout: () => Effect.fail("broken"), onExit: callbacks.onExit })
        assert.isTrue((yield* process.wait({ timeout: "20 seconds" })).ok)
        yield* eventually(
          "the exit was called back",
          Effect.sync(() => notes.includes("C38-slow exit 0"))
        )
      })),
    test("C38 a failing callback is called again with what comes next", ({ exec }) =>
      Effect.gen(function* () {
        let text = ""
        const process = yield* exec.detach(fixtures.numbers(50_000))
        yield* Process.observe(process, {
          onStdout: (part) => {
            text += part
            return Effect.fail("broken")
          }
        })
        yield* eventually(
          "all of it was called back",
          Effect.sync(() => text === numberLines(1, 50_000))
        )
      })),
    test("C38 callbacks of all detached processes, until their scope closes", ({ exec }) =>
      Effect.gen(function* () {
        const { callbacks, notes } = makeNotes()
        const scope = yield* Scope.make()
        yield* Exec.observe(callbacks).pipe(Effect.provideService(Exec.Exec, exec), Scope.provide(scope))
        const of = (tag: string) => notes.filter((note) => note.startsWith(`${tag} `))
        yield* exec.detach(fixtures.echo(["x"]), { tag: "C38-one" })
        yield* exec.detach(fixtures.exit(2), { tag: "C38-two" })
        yield* eventually(
          () => `both were called back; seen: ${JSON.stringify(notes)}`,
          Effect.sync(() => {
            const one = of("C38-one").toSorted()
            return (
              JSON.stringify(one) === JSON.stringify(["C38-one exit 0", "C38-one out x\0"]) &&
              of("C38-two").length === 1
            )
          })
        )
        yield* Scope.close(scope, Exit.void)
        const last = yield* exec.detach(fixtures.exit(0), { tag: "C38-three" })
        yield* last.wait()
        yield* Effect.sleep(50)
        assert.deepStrictEqual(of("C38-three"), [])
      }))
  ]
}
