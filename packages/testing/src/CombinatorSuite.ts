/**
 * The tests of what one puts around an `Exec` (`ExecLayer`, `ExecPool`, `AuditLog`), with real processes: that it holds
 * also on a backend that takes its time, has a link that breaks, or is made anew for each program.
 *
 * It takes what `SpawnerSuite` takes, and `mktemp`, `grep` and `env`.
 *
 * ```ts check
 * import { CombinatorSuite } from "@effect-exec/testing"
 * import { LocalExec } from "@effect-exec/local"
 *
 * CombinatorSuite.suite("local", LocalExec.layerTemporary())
 * ```
 */
import { layer } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Exec from "effect-exec/Exec"
import * as ExecError from "effect-exec/ExecError"
import * as FaultyExec from "./FaultyExec.ts"
import { changes } from "./internal/combinators/changes.ts"
import { logs } from "./internal/combinators/logs.ts"
import { places } from "./internal/combinators/places.ts"
import { turns } from "./internal/combinators/turns.ts"

/** A place that is not there yet. */
export interface Coming {
  readonly layer: Layer.Layer<Exec.Exec>
  /** Makes it be there, for as long as the scope is open. */
  readonly come: Effect.Effect<void, unknown, Scope.Scope>
}

/** What is tested. */
export interface Target {
  /** A sandbox of its own for each time that it is built: what is left in where commands start is not in the next one. */
  readonly sandbox: Layer.Layer<Exec.Exec, ExecError.ExecError>
  /** A layer of the same kind whose other side is not there. */
  readonly unreachable: Layer.Layer<Exec.Exec, ExecError.ExecError>
  /** A place of the same kind to which no command gets at first. */
  readonly coming: Effect.Effect<Coming, unknown, Exec.Exec | Scope.Scope>
}

/** How to run the suite. */
export interface Options extends Partial<Omit<Target, "sandbox">> {
  /** The longest that building the layer may take. */
  readonly layerTimeout?: Duration.Input | undefined
}

const unavailable = new ExecError.BackendUnavailable({ backend: "test", hint: "There is nothing to mend here." })
const down = Effect.fail(ExecError.make(unavailable))

// For where there is no other side: what is under test is then the same, but for what fails.
const nowhere = Layer.effect(Exec.Exec, Exec.make({ name: "test", capabilities: down, spawn: () => down }))
const refusing = Effect.map(Exec.Exec, (exec): Coming => {
  const faults = [1, 2, 3, 4].map((nth) => FaultyExec.failStart(unavailable, { nth }))
  return { layer: Layer.provide(FaultyExec.layer({ faults }), Layer.succeed(Exec.Exec, exec)), come: Effect.void }
})

/** Registers the suite with Vitest. Time is real, because so are the processes. */
export const suite = (name: string, sandbox: Target["sandbox"], options: Options = {}): void => {
  const { coming = refusing, layerTimeout, unreachable = nowhere } = options
  layer(sandbox, {
    excludeTestServices: true,
    ...(layerTimeout === undefined ? {} : { timeout: layerTimeout })
  })(name, (it) => {
    for (const { body, title } of [...changes, ...turns, ...logs, ...places]) {
      it.effect(title, () => body({ coming, sandbox, unreachable }), 60_000)
    }
  })
}
