/**
 * A process that a test drives, from inside and from outside.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as ExitStatus from "effect-exec/ExitStatus"
import type { ProcessIO, Program } from "../../Program.ts"
import type { TestProcess } from "../../TestProcess.ts"
import { show } from "../matching.ts"

/** A handle, and the program that does what is done with it. */
export const makeDriven = (): { readonly process: TestProcess; readonly program: Program } => {
  const started = Deferred.makeUnsafe<ProcessIO>()
  const end = Deferred.makeUnsafe<number | ExitStatus.ExitStatus>()

  // What would wait for a process that has ended, or be lost with it, is a mistake in the test.
  const refuse = (io: ProcessIO, what: string) =>
    Effect.flatMap(io.ended, (status) =>
      Effect.die(new Error(`${show(io.argv)} cannot ${what}: it has ended with ${ExitStatus.format(status)}`))
    )
  const write = (to: "stdout" | "stderr") => (data: string | Uint8Array) =>
    Effect.flatMap(Deferred.await(started), (io) => Effect.raceFirst(refuse(io, "write"), io[to](data)))
  const ended = Effect.flatMap(Deferred.await(started), (io) => io.ended)

  return {
    process: {
      started: Deferred.await(started),
      emit: write("stdout"),
      emitError: write("stderr"),
      exit: (status = 0) =>
        Effect.flatMap(Deferred.await(started), (io) =>
          // To look first, not to race: the process ends before its end could win.
          Effect.raceFirst(refuse(io, "exit"), Effect.void).pipe(
            Effect.andThen(Deferred.succeed(end, status)),
            Effect.andThen(ended),
            Effect.asVoid
          )
        ),
      ended
    },
    program: (io) => Effect.andThen(Deferred.succeed(started, io), Deferred.await(end))
  }
}
