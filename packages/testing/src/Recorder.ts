/**
 * Records what commands really did, to a file that is kept beside the tests, and replays it without them: the same
 * events, byte for byte and chunk for chunk, as long as they took by the recording and in no time by the clock.
 *
 * ```ts
 * import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
 * import { Effect, FileSystem } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 * import { Recorder } from "@effect-exec/testing"
 *
 * const program = Effect.map(Exec.run(Command.shell("sleep 0.2; date +%N")), (result) => [result.stdout, result.duration])
 *
 * const both = Effect.gen(function* () {
 *   const fs = yield* FileSystem.FileSystem
 *   const cassette = `${yield* fs.makeTempDirectoryScoped()}/date.cassette.jsonl`
 *   const recorder = (mode: Recorder.Mode) => Recorder.layer({ cassette, real: LocalExec.layer, mode })
 *   const recorded = yield* Effect.provide(program, recorder("record"))
 *   const replayed = yield* Effect.provide(program, recorder("replay"))
 *   return JSON.stringify(recorded) === JSON.stringify(replayed)
 * })
 *
 * await Effect.runPromise(both.pipe(Effect.scoped, Effect.provide(NodeFileSystem.layer))) // => true
 * ```
 */
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Exec from "effect-exec/Exec"
import * as Supervisor from "effect-exec/Supervisor"
import type { CassetteError } from "./Cassette.ts"
import { asBackend } from "./internal/asBackend.ts"
import { load, save } from "./internal/recorder/file.ts"
import { Session } from "./internal/recorder/session.ts"

/**
 * - `"replay"`, the default: everything comes from the cassette, and the real `Exec` is not even built. A command that
 *   is not in it is a defect of whoever runs it, with what is different; the end of the scope tells of it once more.
 * - `"record"`: everything is real, and the cassette is written anew when the scope closes; not where that fails.
 * - `"update"`: what is in the cassette is replayed, what is not is real and comes into it, what was not run leaves it.
 * - `"passthrough"`: everything is real, and the cassette is not touched.
 */
export type Mode = "replay" | "record" | "update" | "passthrough"

/** What to record, and where. */
export interface Options<out E = never, out R = never> {
  /** The path of the file. Its folder is made where there is none. */
  readonly cassette: string
  /** What is recorded; built only where it is needed. */
  readonly real: Layer.Layer<Exec.Exec, E, R>
  readonly mode?: Mode
  /**
   * Secrets that must not come into the cassette, beside the values of `Redacted` variables: in it, they are asterisks
   * in output and stdin, and `<redacted>` elsewhere. What else the commands say and are given is in it as it is.
   */
  readonly redact?: ReadonlyArray<Redacted.Redacted>
  /** How fast to replay: `"instant"`, the default, or `"recorded"`: as it was, by Effect's clock. */
  readonly pace?: "instant" | "recorded"
}

const make = Effect.fnUntraced(function* <E, R>({
  cassette: path,
  mode = "replay",
  pace = "instant",
  real,
  redact = []
}: Options<E, R>): Effect.fn.Return<Exec.Exec["Service"], E | CassetteError, R | FileSystem.FileSystem | Scope.Scope> {
  if (mode === "passthrough") return Context.get(yield* Layer.build(real), Exec.Exec)
  const recorded = yield* load(path, mode === "replay" ? "required" : mode === "update" ? "optional" : "ignored")
  const backend =
    mode === "replay" ? undefined : asBackend(Context.get(yield* Layer.build(real), Exec.Exec), "recorder")
  const session = new Session(path, recorded, backend, pace, redact.map(Redacted.value))
  const write = yield* save(path)
  // Added before the host, whose processes it has to see ending.
  yield* Effect.addFinalizer((exit) => session.close(exit, write))
  const host = yield* Supervisor.make(session.backend)
  return Exec.fromHost(session.host(host))
})

/** Records or replays. Fails to be built where the cassette is missing, broken, or of another version. */
export const layer = <E, R>(
  options: Options<E, R>
): Layer.Layer<Exec.Exec, E | CassetteError, R | FileSystem.FileSystem> => Layer.effect(Exec.Exec, make(options))

/** The same, where the configuration (an environment variable) says how: `EXEC_RECORDER=update pnpm test`. */
export const layerConfig = <E, R>(
  options: Omit<Options<E, R>, "mode">
): Layer.Layer<Exec.Exec, E | CassetteError | Config.ConfigError, R | FileSystem.FileSystem> =>
  Layer.effect(
    Exec.Exec,
    Effect.flatMap(
      Config.Literals(["replay", "record", "update", "passthrough"], "EXEC_RECORDER").pipe(
        Config.withDefault("replay")
      ),
      (mode) => make({ ...options, mode })
    )
  )
