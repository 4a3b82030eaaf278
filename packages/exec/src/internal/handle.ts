/**
 * What every handle of a process can do, on top of its `Running` and its end.
 */
import * as Effect from "effect/Effect"
import type { SpawnRequest } from "../Backend.ts"
import type { Command } from "../Command.ts"
import * as ExecError from "../ExecError.ts"
import type { KillOptions, SpawnOptions } from "../ExecOptions.ts"
import type { ProcessHandle } from "../Process.ts"
import type { ProcessId } from "../ProcessId.ts"
import type { TtySize } from "../TtySize.ts"
import * as check from "./check.ts"
import type { Supervised } from "./supervise.ts"
import * as utf8 from "./utf8.ts"

const unsupported = (feature: string) => Effect.fail(ExecError.make(new ExecError.Unsupported({ feature })))

// Getters and methods, for an effect held by each of ten thousand idle handles would cost more than the process.
export class Handle<E> implements ProcessHandle {
  readonly id: ProcessId
  readonly tag: string
  readonly command: Command
  protected readonly supervised: Supervised<E>
  private readonly isStdinOpen: boolean

  constructor(
    { command, id }: SpawnRequest,
    tag: string,
    stdin: SpawnOptions<unknown, unknown>["stdin"],
    supervised: Supervised<E>
  ) {
    this.id = id
    this.tag = tag
    this.command = command
    this.supervised = supervised
    this.isStdinOpen = stdin === "open"
  }

  protected get running() {
    return this.supervised.ending.running
  }

  get pid(): number {
    return this.running.pid
  }

  get isRunning(): Effect.Effect<boolean, ExecError.ExecError> {
    return Effect.sync(() => this.supervised.ending.isRunning)
  }

  write(data: string | Uint8Array): Effect.Effect<void, ExecError.ExecError> {
    return this.isStdinOpen
      ? this.running.write(typeof data === "string" ? utf8.encode(data) : data)
      : unsupported(`write to a stdin that was not opened; start the process with stdin: "open"`)
  }

  get closeStdin(): Effect.Effect<void, ExecError.ExecError> {
    return this.isStdinOpen ? this.running.closeStdin : Effect.void
  }

  resize(size: TtySize): Effect.Effect<void, ExecError.ExecError> {
    return Effect.andThen(
      check.ttySize(size),
      this.running.resize?.(size) ?? unsupported("resize of a process without a terminal; give its command a tty")
    )
  }

  signal(signal: string | number): Effect.Effect<void, ExecError.ExecError> {
    return this.kill({ signal, scope: "process" })
  }

  kill(options?: KillOptions): Effect.Effect<void, ExecError.ExecError> {
    return this.supervised.ending.kill(options)
  }
}
