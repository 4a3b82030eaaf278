/**
 * File operations, as effects: asking, reading, writing.
 */
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Pull from "effect/Pull"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecError } from "effect-exec/ExecError"
import type { FileError, Writer } from "effect-exec/Files"
import type { Connection } from "../connection.ts"
import type { Encoder } from "../encoder.ts"
import { gone } from "../failure.ts"
import { firstWindow } from "../output.ts"
import { type Failing, Operation } from "./operation.ts"

/** Writes the fields of a FILE. */
export type Fields = (to: Encoder) => void

/** What files at one agent are asked. */
export class Calls {
  private readonly connection: Connection
  private readonly stdinWindow: number

  constructor(connection: Connection, stdinWindow: number) {
    this.connection = connection
    this.stdinWindow = stdinWindow
  }

  /** What RESULT brings. Interrupting it gives it up. */
  ask(op: number, fields: Fields): Failing<Uint8Array> {
    return Effect.scoped(Effect.flatMap(this.begin(op, fields), (operation) => operation.result))
  }

  /** What it reads, with backpressure; `fields` ends with the credit, which is put here. */
  read(op: number, fields: Fields): Stream.Stream<Uint8Array, FileError | ExecError> {
    const begun = this.begin(op, (to) => {
      fields(to)
      to.u32(firstWindow)
    })
    return Stream.unwrap(
      Effect.map(begun, (operation) => {
        const bytes = Effect.map(operation.pull, (outputs) => Arr.map(outputs, ({ bytes }) => bytes))
        // It is whole only when the result says so.
        return Stream.fromPull(
          Effect.succeed(Pull.catchDone(bytes, () => Effect.andThen(operation.result, Cause.done())))
        )
      })
    )
  }

  /** Writes, with backpressure. */
  write(op: number, fields: Fields): Effect.Effect<Writer, ExecError, Scope.Scope> {
    return Effect.map(this.begin(op, fields, this.stdinWindow), (operation) => ({
      write: (bytes) => operation.write(bytes),
      close: Effect.andThen(operation.close, Effect.asVoid(operation.result))
    }))
  }

  private begin(op: number, fields: Fields, stdinWindow?: number): Effect.Effect<Operation, ExecError, Scope.Scope> {
    const { connection } = this
    const begun = Effect.acquireRelease(
      Effect.suspend(() => {
        if (connection.loss !== undefined) return Effect.fail(gone(connection.backend, connection.loss))
        const operation = new Operation(connection, stdinWindow)
        operation.begin(op, fields)
        connection.hold(1)
        return Effect.succeed(operation)
      }),
      (operation) =>
        Effect.andThen(
          operation.release,
          Effect.sync(() => connection.hold(-1))
        )
    )
    return connection.whenAwake(begun)
  }
}
