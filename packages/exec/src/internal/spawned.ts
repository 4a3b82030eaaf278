/**
 * A live process, owned by the scope it was spawned in.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ExecError } from "../ExecError.ts"
import type { ExecEvent } from "../ExecEvent.ts"
import type { ExitStatus } from "../ExitStatus.ts"
import type { Live } from "../Host.ts"
import { Handle } from "./handle.ts"

export class Spawned<E> extends Handle<E> implements Live<E> {
  get pull(): Live<E>["pull"] {
    return this.supervised.reading.pull
  }

  get events(): Stream.Stream<ExecEvent, ExecError | E> {
    return Stream.fromPull(Effect.succeed(this.pull))
  }

  get wait(): Effect.Effect<ExitStatus, ExecError> {
    return this.supervised.ending.exited
  }
}
