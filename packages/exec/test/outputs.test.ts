/** The two outputs of a process that `effect/process` reads one by one, or both. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { assert, it } from "@effect/vitest"
import type { ExecEvent } from "../src/ExecEvent.ts"
import { Outputs } from "../src/internal/spawner/outputs.ts"
import * as utf8 from "../src/internal/utf8.ts"

const out = (offset: number, text: string): ExecEvent => ({ _tag: "Stdout", offset, bytes: utf8.encode(text) })
const err = (offset: number, text: string): ExecEvent => ({ _tag: "Stderr", offset, bytes: utf8.encode(text) })

const outputs = () => {
  const batches: Array<readonly [ExecEvent, ...Array<ExecEvent>]> = [
    [out(0, "a"), err(1, "b"), out(2, "c")],
    [err(3, "d")]
  ]
  return new Outputs(
    Effect.suspend(() => {
      const next = batches.shift()
      return next === undefined ? Cause.done() : Effect.succeed(next)
    })
  )
}

const text = (all: Outputs, of: 1 | 2 | "both") => Stream.mkString(Stream.decodeText(all.stream(of)))

it.effect("both are in the order in which they were observed, however many came at once", () =>
  Effect.map(text(outputs(), "both"), (all) => assert.strictEqual(all, "abcd"))
)

it.effect("what comes of the one waits while the other is read", () =>
  Effect.gen(function* () {
    const both = outputs()
    assert.deepStrictEqual([yield* text(both, 2), yield* text(both, 1), yield* text(both, "both")], ["bd", "ac", ""])
  })
)
