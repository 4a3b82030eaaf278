/**
 * The few file operations that are needed to explain a failed start.
 */
import * as Effect from "effect/Effect"
import type { ExecError } from "effect-exec/ExecError"
import type { Connection, Entry } from "./connection.ts"
import type { Encoder } from "./encoder.ts"
import { connectionLost, type Loss } from "./failure.ts"
import type { Message } from "./message.ts"
import { fileOps } from "./protocol.ts"
import * as Requests from "./requests.ts"

/** What a path leads to. */
export type FileType = "file" | "directory" | "other"

// By the numbers of `stat`.
const types: Readonly<Record<number, FileType>> = { 1: "file", 2: "directory" }

type Result = Extract<Message, { readonly _tag: "Result" }>

/** One operation under way. */
class Call implements Entry {
  readonly chunks: Array<Uint8Array> = []
  private readonly done: (result: Effect.Effect<Result, ExecError>) => void
  private readonly backend: string
  private room: number

  constructor(backend: string, room: number, done: (result: Effect.Effect<Result, ExecError>) => void) {
    this.backend = backend
    this.room = room
    this.done = done
  }

  output(_fd: 1 | 2, bytes: Uint8Array): boolean {
    this.room -= bytes.length
    this.chunks.push(bytes)
    return this.room >= 0
  }

  flush(): void {}

  message(message: Message): boolean {
    if (message._tag !== "Result" && message._tag !== "Refused") return false
    this.done(
      Effect.succeed(
        message._tag === "Result" ? message : { _tag: "Result", error: "EINVAL", result: new Uint8Array(0) }
      )
    )
    return true
  }

  lose(loss: Loss): void {
    this.done(Effect.fail(connectionLost(this.backend, loss, false)))
  }
}

export class FileCalls {
  private readonly connection: Connection

  constructor(connection: Connection) {
    this.connection = connection
  }

  /** What is at this path, symbolic links followed; `undefined` when that is nothing that can be looked at. */
  exists(path: string): Effect.Effect<FileType | undefined, ExecError> {
    return Effect.map(
      this.call(fileOps.stat, 0, (to) => {
        to.text(path)
        to.u8(0)
      }),
      ({ result }) => (result.error === "" ? (types[result.result[0]!] ?? "other") : undefined)
    )
  }

  /** The first bytes of a file; none when it may not be read. */
  head(path: string, length: number): Effect.Effect<Uint8Array, ExecError> {
    return Effect.map(
      this.call(fileOps.read, length, (to) => {
        to.text(path)
        to.u64(0n)
        to.u64(BigInt(length))
        to.u32(length)
      }),
      ({ chunks }) => chunks[0] ?? new Uint8Array(0)
    )
  }

  private call(op: number, room: number, fields: (to: Encoder) => void) {
    return Effect.callback<{ readonly result: Result; readonly chunks: ReadonlyArray<Uint8Array> }, ExecError>(
      (resume) => {
        const { connection } = this
        const call = new Call(connection.backend, room, (result) =>
          resume(Effect.map(result, (result) => ({ result, chunks: call.chunks })))
        )
        if (connection.loss !== undefined) return call.lose(connection.loss)
        const number = connection.add(call)
        if (connection.send((to) => Requests.file(to, number, op, fields))) return
        connection.remove(number)
        call.message({ _tag: "Refused", kind: 0, code: 0 })
      }
    )
  }
}
