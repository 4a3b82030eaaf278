/**
 * Effect's own `ChildProcessSpawner` on top of any `Exec`: a program written for `effect/process` runs unchanged wherever
 * a layer of `Exec` runs commands.
 *
 * ```ts
 * import { Effect, Layer } from "effect"
 * import { ChildProcess, ChildProcessSpawner } from "effect/process"
 * import { ExecSpawner } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * // Knows nothing of effect-exec.
 * const program = Effect.gen(function* () {
 *   const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
 *   return yield* spawner.lines(
 *     ChildProcess.make`printf ${"b\na\n"}`.pipe(ChildProcess.pipeTo(ChildProcess.make`sort`))
 *   )
 * })
 *
 * const layer = ExecSpawner.layer.pipe(Layer.provide(LocalExec.layer))
 *
 * await Effect.runPromise(Effect.provide(program, layer)) // => ["a", "b"]
 * ```
 *
 * It behaves as the spawner of `@effect/platform-node` does, and is held against the same tests. What differs, because a
 * sandbox is not this machine, and because `Exec` promises more:
 *
 * - **What a command elsewhere cannot have** fails with `BadArgument`, before anything starts: `additionalFds`, pipes
 *   from and to other descriptors than the three. `unref` fails so too: `Exec.detach` is what outlives its caller.
 * - **The environment** is the sandbox's where platform-node takes that of this process: without `env`, and with
 *   `extendEnv`. Paths, `cwd` and users are the sandbox's. A variable needs a name, with no `=` in it.
 * - **`"inherit"`** copies from and to the `Stdio` service of the caller's context, and fails with `BadArgument` where
 *   there is none. The command sees a pipe, never a terminal.
 * - **Nothing is left behind** when the scope closes. As there, the process gets `killSignal` and, only where
 *   `forceKillAfter` says so, KILL; what of its tree is left a second after its end is killed here, whatever it did to escape.
 * - **On a capsule** children that hold no output of their parent's end with the last of that, and not with the scope.
 * - **Killing what has ended succeeds.**
 * - **What ends a fiber there is an error here**: arguments that are too long, a `cwd` that is a file, an empty program.
 *   And a stdin that dies is not just an end.
 * - **Both outputs end together**, when nobody holds either of them open any more. An output that is not read
 *   holds up the process once 256 KiB of it wait, and then also whoever reads the other one.
 * - **`all`** has both in the order in which they were observed.
 *
 * Other errors of `Exec` are `PlatformError`s with the reason that the platform has for them, `Unknown` where it has
 * none; the `ExecError` is the `cause`.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import { Exec } from "./Exec.ts"
import { spawn } from "./internal/spawner/pipeline.ts"

/** The spawner that starts commands with this `Exec`. */
export const make = (exec: Exec["Service"]): ChildProcessSpawner.ChildProcessSpawner["Service"] =>
  ChildProcessSpawner.make(spawn(exec))

/** Starts the commands of `effect/process` with the `Exec` of the context. */
export const layer: Layer.Layer<ChildProcessSpawner.ChildProcessSpawner, never, Exec> = Layer.effect(
  ChildProcessSpawner.ChildProcessSpawner,
  Effect.map(Exec, make)
)
