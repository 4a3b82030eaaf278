/**
 * What every handle of a process at the server can do.
 */
import * as Effect from "effect/Effect"
import type { Command } from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { KillOptions } from "effect-exec/ExecOptions"
import * as Host from "effect-exec/Host"
import type { ProcessHandle } from "effect-exec/Process"
import type { ProcessId } from "effect-exec/ProcessId"
import type { TtySize } from "effect-exec/TtySize"
import type { ClientMessage, ServerMessage } from "../Wire.ts"
import { call } from "./call.ts"
import type { Session } from "./session.ts"
import type { Stdin } from "./stdin.ts"
import { web } from "./web.ts"

const encoder = new web.TextEncoder()

const done = ({ _tag }: ServerMessage): true | undefined => (_tag === "Done" ? true : undefined)

/** What `write` fails with when nobody can read any more. */
export const exited = (id: ProcessId): Effect.Effect<never, ExecError.ExecError> =>
  Effect.suspend(() => Effect.fail(ExecError.make(new ExecError.ProcessExited({ id }))))

export abstract class RemoteHandle implements ProcessHandle {
  abstract readonly id: ProcessId
  abstract readonly pid: number
  abstract readonly tag: string
  abstract readonly command: Command
  abstract readonly isRunning: Effect.Effect<boolean, ExecError.ExecError>

  /** Where to ask. */
  protected readonly session: Effect.Effect<Session, ExecError.ExecError>

  constructor(session: Effect.Effect<Session, ExecError.ExecError>) {
    this.session = session
  }

  /** How the server finds it: by the channel of its Start, or by its id. */
  protected abstract readonly target: number | ProcessId
  /** Where to write, for who may. */
  protected abstract readonly openStdin: Effect.Effect<Stdin, ExecError.ExecError>

  write(data: string | Uint8Array): Effect.Effect<void, ExecError.ExecError> {
    return Effect.flatMap(this.openStdin, (stdin) =>
      stdin.write(typeof data === "string" ? encoder.encode(data) : data)
    )
  }

  abstract get closeStdin(): Effect.Effect<void, ExecError.ExecError>

  protected ask(ask: (channel: number) => ClientMessage): Effect.Effect<void, ExecError.ExecError> {
    return Effect.flatMap(this.session, (session) => Effect.asVoid(call(session, ask, done)))
  }

  resize(size: TtySize): Effect.Effect<void, ExecError.ExecError> {
    const { target } = this
    return Effect.andThen(
      Host.checkTtySize(size),
      this.ask((channel) => ({ _tag: "Resize", channel, target, size }))
    )
  }

  signal(signal: string | number): Effect.Effect<void, ExecError.ExecError> {
    return this.kill({ signal, scope: "process" })
  }

  kill(options: KillOptions = {}): Effect.Effect<void, ExecError.ExecError> {
    return Effect.flatMap(Host.checkKill(options), ({ grace, scope, signal }) => {
      const { target } = this
      return this.ask((channel) => ({
        _tag: "Kill",
        channel,
        target,
        signal,
        scope,
        ...(grace === undefined ? {} : { grace })
      }))
    })
  }
}
