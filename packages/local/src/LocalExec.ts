/**
 * Runs commands on this machine.
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Command, Exec } from "effect-exec"
 * import { LocalExec } from "@effect-exec/local"
 *
 * const program = Effect.gen(function*() {
 *   const exec = yield* Exec.Exec
 *   const result = yield* exec.run(Command.make("uname", ["-s"]))
 *   return result.stdout
 * })
 *
 * await Effect.runPromise(Effect.provide(program, LocalExec.layer)) // => "Linux\n"
 * ```
 *
 * There are two variants, and `capabilities` says which one a layer is.
 *
 * **With the agent**, on Linux on x64 and arm64: a small program beside this one starts the commands, one for each
 * layer, from the first command on. A start does not block this thread, however large this process is; the tree of a
 * command is all its descendants, whatever they do to escape; there are terminals; and when this process is killed,
 * even with SIGKILL, all of its commands are. Of these things one should know:
 *
 * - **The agent can be killed too.** Then its commands are ended, all of them fail with `ConnectionLost`, and the next
 *   command starts a new one.
 * - **An idle agent keeps nothing alive.** While a command runs this process does not end by itself; when none does, it
 *   may, and what was left behind by `lingering: "leave"` ends with it.
 * - **A busy command is read without it.** After 64 KiB of one stream, with nothing yet from the other, its pipe is read by
 *   this process itself, which is faster: from there on the two come in the order in which they are read, no
 *   longer in that in which they were written, and up to 2 MiB of the stream may lie between the command and its reader.
 * - **Users** are looked up in `/etc/passwd` and `/etc/group`, groups included; changing to one needs root.
 *
 * **The portable variant**, on Node's own `child_process`, is used elsewhere, where the agent's program cannot be
 * executed, and with `agent: "never"`. It needs nothing but Node, and some things it cannot do:
 *
 * - **What escapes.** The tree of a command is its process group and session, and the descendants whose chain of parents
 *   is unbroken when it is killed. A daemon, which calls `setsid` and whose parent exits, is not found any more.
 * - **Standard streams are sockets.** Node gives its children Unix sockets, which cannot be opened by name: in a script
 *   `echo oops > /dev/stderr` fails with "No such device or address". Write `echo oops >&2` instead.
 * - **Deaths by real-time signals.** Node reports a death by one of the signals 32 to 64 as exit 0. It is told apart
 *   here when the signal was sent with `kill`; a process that does it to itself seems to have exited with 0.
 * - **Terminals.** There are none.
 * - **Starting blocks** this thread for the time of a fork: 2 ms, and 40 ms in a process of 1 GB.
 * - **`user`** needs root. The command gets the user's id and primary group and none of its other groups; its
 *   environment stays as it is, `HOME` included. Users are those of `/etc/passwd`.
 * - **When this process is killed** with SIGKILL, nobody is left to end its commands.
 *
 * Tested on Linux. On macOS, where there is no `/proc`, the tree is the process group and a reused pid is not noticed;
 * on Windows every command fails with `BackendUnavailable`.
 */
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Backend from "effect-exec/Backend"
import * as Exec from "effect-exec/Exec"
import * as AgentBackend from "./internal/agentBackend.ts"
import * as Environment from "./internal/environment.ts"
import * as NodeBackend from "./internal/nodeBackend.ts"

/** What every command of a layer starts with. */
export interface Options {
  /**
   * The environment to which a command adds its own variables. By default `PATH`, `HOME`, `LANG` and `TMPDIR` of this
   * process and nothing else of it, as they are when the layer is built: what else is there may be secret.
   */
  readonly baseEnv?: Readonly<Record<string, string>> | undefined
  /**
   * Where commands without a `cwd` start, and what a relative `cwd` is relative to. By default where this process is
   * when the command starts.
   */
  readonly cwd?: string | undefined
  /**
   * Who starts the commands. `"auto"`, the default: the agent where there is one for this system and it may be
   * executed, else this process; `capabilities` says which. `"never"`: this process.
   */
  readonly agent?: "auto" | "never" | undefined
}

/**
 * The backend by itself, for wrappers and tests. Closing the scope ends what `lingering: "leave"` left behind.
 */
export const backend = (options: Options = {}): Effect.Effect<Backend.Backend, never, Scope.Scope> =>
  Effect.suspend(() => {
    const base = { env: options.baseEnv ?? Environment.base(), cwd: options.cwd }
    const portable = NodeBackend.make(base)
    const program = options.agent === "never" ? undefined : AgentBackend.program()
    return program === undefined
      ? portable
      : Effect.flatMap(portable, (portable) => AgentBackend.make(program, base, portable))
  })

/** Runs commands on this machine, with options. What it started ends when the layer's scope closes. */
export const layerWith = (options: Options): Layer.Layer<Exec.Exec> =>
  Layer.effect(Exec.Exec, Effect.flatMap(backend(options), Exec.make))

/** Runs commands on this machine. What it started ends when the layer's scope closes. */
export const layer: Layer.Layer<Exec.Exec> = layerWith({})

/**
 * Runs commands on this machine, in a directory of the layer's own, which is their `HOME` too and gone with the layer. What
 * capsules on a server are made of that should not find each other's files; it keeps nobody from reading others.
 */
export const layerTemporary = (options: Omit<Options, "cwd"> = {}): Layer.Layer<Exec.Exec> =>
  Layer.unwrap(
    Effect.map(temporaryDirectory, (cwd) => {
      const baseEnv = { ...(options.baseEnv ?? Environment.base()), HOME: cwd }
      return layerWith({ ...options, baseEnv, cwd })
    })
  )

const temporaryDirectory = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "effect-exec-"))),
  (path) =>
    Effect.tryPromise(() => Fs.rm(path, { recursive: true, force: true })).pipe(
      Effect.catch((error) => Effect.logWarning(`The directory ${path} could not be removed`, error))
    )
)
