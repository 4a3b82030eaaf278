/** Effect's own spawner. */
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"
import { type Argv, type Driver, env, mustSucceed } from "./driver.ts"

const command = ([program, ...args]: Argv) => ChildProcess.make(program, args, { stdin: "ignore", env })

export const open = async (): Promise<Driver> => {
  const runtime = ManagedRuntime.make(NodeServices.layer)
  const spawner = await runtime.runPromise(ChildProcessSpawner.ChildProcessSpawner)
  const count = Effect.fnUntraced(function* (argv: Argv) {
    const handle = yield* spawner.spawn(command(argv))
    let size = 0
    yield* Stream.runForEach(handle.stdout, (chunk) => Effect.sync(() => void (size += chunk.byteLength)))
    mustSucceed(argv, yield* handle.exitCode)
    return size
  }, Effect.scoped)
  return {
    run: (argv) =>
      Effect.runPromise(Effect.map(spawner.string(command(argv)), (text) => Buffer.byteLength(text, "latin1"))),
    count: (argv) => Effect.runPromise(count(argv)),
    close: () => runtime.dispose()
  }
}
