/**
 * A backend from an agent: one small program that starts commands for whoever holds its stdin and stdout.
 *
 * Whatever can start one program with a stdin and a stdout (a local spawn, a container engine, SSH) becomes a full backend by
 * starting the agent there and handing its pipe to `connect`. PROTOCOL.md says what is spoken.
 *
 * What an agent gives beyond a spawn of one's own: it forks from a small process, beside the event loop; a tree is all
 * descendants, whatever they do to escape; exit, signal and failed start are told apart exactly; a command that nobody
 * reads holds up no other; and everything ends when the pipe does, also when this program is killed with SIGKILL.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Backend } from "effect-exec/Backend"
import type { Capabilities } from "effect-exec/Capabilities"
import * as ExecError from "effect-exec/ExecError"
import { Connection } from "./internal/connection.ts"
import * as deadline from "./internal/deadline.ts"
import { Calls } from "./internal/files/calls.ts"
import * as Files from "./internal/files/files.ts"
import type { Hello } from "./internal/message.ts"
import { features } from "./internal/protocol.ts"
import type { Standstill } from "./internal/silence.ts"
import * as Spawn from "./internal/spawn.ts"
import type { Pipe } from "./Pipe.ts"

export type { Standstill } from "./internal/silence.ts"

/** What every command of an agent starts with. */
export interface Options {
  /** The name of the backend in spans and errors; `agent` by default. */
  readonly name?: string | undefined
  /** The environment to which a command adds its own variables; empty by default. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /**
   * Where a command starts, from its own `cwd`, which may be relative. By default just that, and where the agent is
   * without one; an empty text is where the agent is.
   */
  readonly cwd?: ((given: string | undefined) => string) | undefined
  /**
   * Says whether the place where the agent runs stands still, as a paused container does. Asked while somebody waits and
   * the agent has said nothing for a quarter of a second; then what waits for it to begin, commands and files, fails with
   * `SandboxNotRunning`. What runs already waits, and goes on with the place. Without it nothing is asked.
   */
  readonly standstill?: Effect.Effect<Standstill | undefined> | undefined
}

/** Longer than a machine takes to start a program of 100 KB, however busy it is. */
const greetingMillis = 30_000

/**
 * Greets the agent at the other end of a pipe, and gives it as a backend.
 *
 * Closing the scope ends the pipe, and with it the agent and all that it started, what `lingering: "leave"` left behind
 * included. It does not wait for that: whoever started the agent knows when it has gone. Interrupting `connect` ends
 * the pipe too.
 *
 * When the pipe ends by itself, or brings something that is not the protocol, all commands fail with `ConnectionLost`
 * after the output that did arrive, the pipe is ended, and whatever is spawned later fails with
 * `BackendUnavailable`.
 *
 * Fails with `BackendUnavailable` when the pipe ends before the greeting, or when none came within 30 s, with
 * `ProtocolViolation` when what came was none, and with `SandboxNotRunning` as `standstill` says.
 */
export const connect = Effect.fnUntraced(function* (
  pipe: Pipe,
  options: Options = {}
): Effect.fn.Return<Backend, ExecError.ExecError, Scope.Scope> {
  const name = options.name ?? "agent"
  const connection = new Connection(pipe, name, options.standstill)
  yield* Effect.addFinalizer(() => connection.end({ code: "ECANCELED", text: "its scope was closed" }))
  yield* Effect.forkScoped(connection.run, { startImmediately: true })
  if (options.standstill !== undefined) yield* Effect.forkScoped(connection.watch)
  const hello = yield* deadline.within(Deferred.await(connection.hello), greetingMillis, () =>
    Effect.fail(silent(name))
  )
  const base = { env: options.env ?? {}, cwd: options.cwd ?? ((given) => given ?? "") }
  const files = Files.make(new Calls(connection, hello.stdinWindow), base)
  return {
    name,
    capabilities: Effect.succeed(capabilitiesOf(hello)),
    spawn: Spawn.make(connection, hello, base, files),
    ...(hello.features & features.files ? { files: Effect.succeed(files) } : {})
  }
})

const silent = (backend: string): ExecError.ExecError =>
  ExecError.make(
    new ExecError.BackendUnavailable({
      backend,
      hint: `Its agent did not greet within ${greetingMillis / 1000} s: is it really an agent that was started?`
    })
  )

const capabilitiesOf = ({ features: has }: Hello): Capabilities => ({
  tree: has & features.subreaper ? "exact" : has & features.proc ? "group+descent" : "group",
  exit: "exact",
  stdin: "stream",
  tty: has & features.tty ? "real" : "none",
  user: has & features.user ? "any" : "none",
  detach: "layer",
  pidReuse: has & features.pidfd ? "exact" : "checked"
})
