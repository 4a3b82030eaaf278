/** `FaultyExec` over real processes: other chunks change nothing of the contract, losses break just what they strike. */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { ExecConformance, FaultyExec, ShFixtures } from "@effect-exec/testing"
import { Exec } from "effect-exec"
import * as AgentBackend from "../src/internal/agentBackend.ts"
import * as LocalExec from "../src/LocalExec.ts"

const target = {
  capabilities: {
    tree: "exact",
    exit: "exact",
    stdin: "stream",
    tty: "real",
    user: process.getuid?.() === 0 ? "any" : "none",
    detach: "layer",
    pidReuse: "exact"
  },
  fixtures: ShFixtures.make()
} satisfies ExecConformance.Target

const faulty = (policy: FaultyExec.Policy) => FaultyExec.layer(policy).pipe(Layer.provide(LocalExec.layer))

describe.runIf(AgentBackend.program() !== undefined)("FaultyExec over LocalExec", () => {
  const chunks = faulty({ chunks: { split: 65_536, merge: "2 millis", delay: "2 millis" } })
  ExecConformance.suite("in other chunks", chunks, {
    ...target,
    sibling: chunks,
    severable: Effect.map(Layer.build(faulty({})), (context) => ({
      exec: Context.get(context, Exec.Exec),
      cut: Context.get(context, FaultyExec.FaultyExec).cut
    }))
  })

  it("losing the backend after 100,000 bytes fails just the tests in which a process writes more", async () => {
    const cases = ExecConformance.cases(target)
    // Whether a test failed, and whether something was lost in it.
    const run = ({ effect, title }: ExecConformance.Case) =>
      Effect.gen(function* () {
        const exec = yield* Exec.Exec
        const context = yield* FaultyExec.make(exec, {
          chunks: { split: 1000 },
          faults: [FaultyExec.lose({ after: 100_000 })]
        })
        const exit = yield* Effect.exit(Effect.timeout(Effect.provide(Effect.scoped(effect), context), "20 seconds"))
        const struck = yield* Context.get(context, FaultyExec.FaultyExec).struck
        return { title, failed: Exit.isFailure(exit), lost: struck.length > 0 }
      }).pipe(Effect.scoped)

    // What measures the memory of this process has to be alone in it.
    const isAlone = ({ title }: ExecConformance.Case) => title.includes("memory")
    const results = await Effect.gen(function* () {
      const together = yield* Effect.forEach(
        cases.filter((it) => !isAlone(it)),
        run,
        { concurrency: 4 }
      )
      return [...together, ...(yield* Effect.forEach(cases.filter(isAlone), run))]
    }).pipe(Effect.provide([LocalExec.layer, Logger.layer([])]), Effect.runPromise)

    // These stop reading early: what is lost in them is what the closing of a scope throws away.
    const indifferent = [
      "C23 endless output and a consumer that stops: memory stays flat",
      "C24 ending a stream that is full ends the tree",
      "C24 what is read after the scope has closed is never a whole: Closed, for bytes are lost"
    ]
    const titles = (all: typeof results) => all.map(({ title }) => title)
    const failed = titles(results.filter((it) => it.failed))
    assert.deepStrictEqual(
      failed,
      titles(results.filter((it) => it.lost)).filter((title) => !indifferent.includes(title))
    )
    assert.isTrue(failed.length > 15 && failed.length < 40, failed.join("\n"))
  }, 240_000)
})
