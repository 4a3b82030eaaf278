/**
 * The tests that every `FileSystem` passes: what programs that use `effect/FileSystem` rely on.
 *
 * Hold the file system of a platform and that of a sandbox against the same tests, and programs run unchanged on both.
 *
 * ```ts check
 * import * as Layer from "effect/Layer"
 * import { ExecFileSystem } from "effect-exec"
 * import { FileSystemSuite } from "@effect-exec/testing"
 * import { LocalExec } from "@effect-exec/local"
 *
 * FileSystemSuite.suite("local", Layer.provide(ExecFileSystem.layer, LocalExec.layer))
 * ```
 */
import { layer } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import type { FileSystem } from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { Place } from "./internal/files/kit.ts"
import { content } from "./internal/files/content.ts"
import { failures } from "./internal/files/failures.ts"
import { places } from "./internal/files/places.ts"
import { sandbox } from "./internal/files/sandbox.ts"

/** What is tested. */
export interface Options {
  /**
   * Whether it is the platform's own file system: then what a sandbox promises beyond it, and says it cannot do, is left
   * out.
   */
  readonly isPlatform?: boolean | undefined
  /** Whether times can be set to whole seconds only, as the `touch` of busybox does. */
  readonly wholeSeconds?: boolean | undefined
  /** The longest that building the layer may take. */
  readonly layerTimeout?: Duration.Input | undefined
}

/** Registers the suite with Vitest. Time is real, because so are the files. */
export const suite = <E>(name: string, fileSystem: Layer.Layer<FileSystem, E>, options: Options = {}): void => {
  const { isPlatform = false, layerTimeout, wholeSeconds = false } = options
  layer(Layer.provideMerge(Place.layer(wholeSeconds), fileSystem), {
    excludeTestServices: true,
    ...(layerTimeout === undefined ? {} : { timeout: layerTimeout })
  })(name, (it) => {
    for (const { body, title } of [...content, ...places, ...failures, ...(isPlatform ? [] : sandbox)]) {
      it.effect(title, () => body, 60_000)
    }
  })
}
