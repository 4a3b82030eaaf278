/**
 * The tests that every `ChildProcessSpawner` passes: what programs that use `effect/process` rely on.
 *
 * Hold the spawner of a platform and that of a sandbox against the same tests, and programs run unchanged on both. What
 * is tested runs POSIX commands: `/bin/sh`, `cat`, `head`, `wc`, `tr`, `sort`, `yes`, `sleep`, as GNU and busybox have them.
 *
 * ```ts check
 * import * as Layer from "effect/Layer"
 * import { ExecSpawner } from "effect-exec"
 * import { SpawnerSuite } from "@effect-exec/testing"
 * import { LocalExec } from "@effect-exec/local"
 *
 * SpawnerSuite.suite("local", Layer.provide(ExecSpawner.layer, LocalExec.layer))
 * ```
 */
import { layer } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import type * as Layer from "effect/Layer"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import { ends } from "./internal/spawner/ending.ts"
import { inputs } from "./internal/spawner/input.ts"
import { outputs } from "./internal/spawner/output.ts"
import { pipes } from "./internal/spawner/pipes.ts"
import { sandbox } from "./internal/spawner/sandbox.ts"
import { starting } from "./internal/spawner/starting.ts"

/** What is tested. */
export interface Options {
  /**
   * Whether it is the platform's own spawner: then what a sandbox promises beyond it, and says it cannot do, is left out.
   */
  readonly isPlatform?: boolean | undefined
  /** The longest that building the layer may take. */
  readonly layerTimeout?: Duration.Input | undefined
}

/** Registers the suite with Vitest. Time is real, because so are the processes. */
export const suite = <E>(name: string, spawner: Layer.Layer<ChildProcessSpawner, E>, options: Options = {}): void => {
  const { isPlatform = false, layerTimeout } = options
  layer(spawner, {
    excludeTestServices: true,
    ...(layerTimeout === undefined ? {} : { timeout: layerTimeout })
  })(name, (it) => {
    for (const { body, title } of [
      ...starting,
      ...outputs,
      ...inputs,
      ...ends,
      ...pipes,
      ...(isPlatform ? [] : sandbox)
    ]) {
      it.effect(title, () => body, 60_000)
    }
  })
}
