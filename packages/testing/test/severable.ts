/**
 * `TestExec` behind links: one that leads nowhere, and one that can be cut.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Exec, ExecError } from "effect-exec"
import { type ExecConformance, TestExec } from "@effect-exec/testing"

const unavailable = Effect.fail(
  ExecError.make(new ExecError.BackendUnavailable({ backend: "test", hint: "There is nothing to mend here." }))
)

/** The other side is not there. */
export const unreachable = Layer.effect(
  Exec.Exec,
  Exec.make({ name: "test", capabilities: unavailable, spawn: () => unavailable })
)

/** Once it is cut, nothing comes any more, and the processes live on without us. */
export const severable = (sandbox: TestExec.Sandbox) =>
  Effect.gen(function* () {
    const cut = yield* Deferred.make<never, ExecError.ExecError>()
    const backend = yield* TestExec.backend(sandbox)
    const orLost = <A, E>(effect: Effect.Effect<A, E>) => Effect.raceFirst(effect, Deferred.await(cut))
    const exec = yield* Exec.make({
      ...backend,
      spawn: (request) =>
        Effect.map(backend.spawn(request), (running) => ({
          ...running,
          pull: orLost(running.pull),
          exited: orLost(running.exited),
          treeEmpty: orLost(running.treeEmpty),
          write: (bytes) => orLost(running.write(bytes)),
          signal: (signal, scope) => orLost(running.signal(signal, scope))
        }))
    })
    const lost = ExecError.make(new ExecError.ConnectionLost({ started: true }))
    return { exec, cut: Effect.asVoid(Deferred.fail(cut, lost)) } satisfies ExecConformance.Severable
  })
