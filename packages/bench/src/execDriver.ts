/** Ours, on any layer. */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Stream from "effect/Stream"
import { Command, Exec } from "effect-exec"
import { type Argv, type Driver, mustSucceed } from "./driver.ts"

const command = ([program, ...args]: Argv) => Command.make(program, args)

export const open = (layer: Layer.Layer<Exec.Exec>) => async (): Promise<Driver> => {
  const runtime = ManagedRuntime.make(layer)
  const exec = await runtime.runPromise(Exec.Exec)
  const count = Effect.fnUntraced(function* (argv: Argv) {
    let size = 0
    yield* Stream.runForEach(exec.stream(command(argv)), (event) =>
      Effect.sync(() => {
        if (event._tag === "Stdout" || event._tag === "Stderr") size += event.bytes.byteLength
      })
    )
    return size
  })
  return {
    run: async (argv) => {
      // With the defaults that everybody has: 30 s, 10 MiB.
      const result = await Effect.runPromise(exec.run(command(argv)))
      mustSucceed(argv, result.exitCode)
      return result.stdoutBytes.byteLength + result.stderrBytes.byteLength
    },
    count: (argv) => Effect.runPromise(count(argv)),
    hold: async (argv) => {
      const held = await Effect.runPromise(exec.detach(command(argv)))
      return () => Effect.runPromise(Effect.andThen(held.kill({ signal: "SIGKILL" }), held.wait()))
    },
    close: () => runtime.dispose()
  }
}
