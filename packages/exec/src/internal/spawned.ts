/**
 * A live process, owned by the scope it was spawned in.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ExecError } from "../ExecError.ts"
import type { ExecEvent } from "../ExecEvent.ts"
import type { ExitStatus } from "../ExitStatus.ts"
import type { Process } from "../Process.ts"
import { Handle } from "./handle.ts"

export class Spawned<E> extends Handle<E> implements Process<E> {
  get events(): Stream.Stream<ExecEvent, ExecError | E> {
    return Stream.fromPull(Effect.succeed(this.supervised.reading.pull))
  }

  get wait(): Effect.Effect<ExitStatus, ExecError> {
    return this.running.exited
  }
}
