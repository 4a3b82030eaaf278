/**
 * The suite that every backend passes: the contract of `Exec`, one test for each behaviour, numbered as the contract
 * numbers them.
 *
 * A backend's own test file is one call; what the backend cannot do is what its capabilities say, and the suite holds
 * it to them: what is declared is tested, and what is declared absent is tested to be `Unsupported`.
 *
 * ```ts check
 * import { ExecConformance, ShFixtures } from "@effect-exec/testing"
 * import { LocalExec } from "@effect-exec/local"
 *
 * ExecConformance.suite("LocalExec", LocalExec.layer, {
 *   capabilities: {
 *     tree: "exact",
 *     exit: "exact",
 *     stdin: "stream",
 *     tty: "real",
 *     user: "any",
 *     detach: "layer",
 *     pidReuse: "exact"
 *   },
 *   fixtures: ShFixtures.make()
 * })
 * ```
 */
import { layer } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import type * as Layer from "effect/Layer"
import type * as Exec from "effect-exec/Exec"
import { withEnv } from "./Fixtures.ts"
import type { Case, Target } from "./internal/suite/case.ts"
import { breaking } from "./internal/suite/breaking.ts"
import { finding, handles } from "./internal/suite/detach.ts"
import { lingering, timeouts } from "./internal/suite/ends.ts"
import { ending, interrupting, nothingLeft } from "./internal/suite/interrupt.ts"
import { signals, trees } from "./internal/suite/kill.ts"
import { overflow, rings } from "./internal/suite/rings.ts"
import { limits, results } from "./internal/suite/run.ts"
import { observing } from "./internal/suite/observe.ts"
import { declaring, failing, surroundings } from "./internal/suite/starting.ts"
import { stdin } from "./internal/suite/stdin.ts"
import { backpressure, events, text } from "./internal/suite/stream.ts"
import { telemetry } from "./internal/suite/telemetry.ts"
import { terminals } from "./internal/suite/terminal.ts"

export type { Case, Severable, Target } from "./internal/suite/case.ts"

const chapters = [
  declaring,
  surroundings,
  failing,
  stdin,
  results,
  timeouts,
  limits,
  lingering,
  interrupting,
  events,
  text,
  backpressure,
  ending,
  handles,
  rings,
  overflow,
  finding,
  observing,
  signals,
  trees,
  terminals,
  breaking,
  telemetry
]

// Beside the time, because two suites may be made within one millisecond.
let suites = 0

/**
 * The tests as data, in order: to register them in another way, or to run them without a test runner.
 *
 * The last one looks for what all others left behind, so it has to come after them.
 */
export const cases = (target: Target): ReadonlyArray<Case> => {
  const value = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}-${suites++}`
  const marked = { ...target, fixtures: withEnv(target.fixtures, { EFFECT_EXEC_SUITE: value }) }
  return [...chapters, nothingLeft(`EFFECT_EXEC_SUITE=${value}`)].flatMap((chapter) => chapter(marked))
}

/** How to run the suite. */
export interface Options extends Target {
  /** Leaves out tests, by title; say why where you do it. Everything is run by default. */
  readonly skip?: (title: string) => boolean
  /** The longest that building the layer may take. */
  readonly layerTimeout?: Duration.Input
}

/**
 * Registers the suite with Vitest, for a layer that is built once and shared. Time is real, because so are the
 * processes.
 */
export const suite = <E>(name: string, backend: Layer.Layer<Exec.Exec, E>, options: Options): void => {
  layer(backend, {
    excludeTestServices: true,
    ...(options.layerTimeout === undefined ? {} : { timeout: options.layerTimeout })
  })(name, (it) => {
    for (const { title, timeout, effect } of cases(options)) {
      const register = options.skip?.(title) === true ? it.effect.skip : it.effect
      register(title, () => effect, timeout)
    }
  })
}
