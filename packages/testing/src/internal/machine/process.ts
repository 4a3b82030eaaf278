/**
 * Simulated processes: what signals do to them, what they share, and when they are gone.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ExitStatus from "effect-exec/ExitStatus"
import type { Signal } from "effect-exec/Signal"
import type { TtySize } from "effect-exec/TtySize"
import type { Disposition, ProcessEntry, ProcessIO, Program } from "../../Program.ts"
import { encode } from "../web.ts"
import type { Input, Outputs } from "./pipe.ts"

/** The processes of a sandbox, by pid. */
export interface Table {
  nextPid: number
  readonly running: Map<number, Process>
}

/** What a command started: the processes that end with it, and what they share. */
export interface Tree {
  readonly members: Set<Process>
  readonly outputs: Outputs
  readonly empty: Latch.Latch
  readonly tty: { size: TtySize | undefined }
}

/** A simulated process. */
export interface Process {
  readonly entry: ProcessEntry
  readonly tree: Tree
  readonly status: Deferred.Deferred<ExitStatus.ExitStatus>
  readonly dispositions: Map<Signal, Disposition>
  /** Open while it is not stopped. */
  readonly running: Latch.Latch
  readonly outputs: Set<1 | 2>
  readonly stdin: Input
  readonly fibers: Set<Fiber.Fiber<unknown, unknown>>
}

/** A tree without a process. */
export const makeTree = (outputs: Outputs, size: TtySize | undefined): Tree => ({
  members: new Set(),
  outputs,
  empty: Latch.makeUnsafe(false),
  tty: { size }
})

/** How to start a process. */
export interface Start {
  readonly program: Program
  readonly tree: Tree
  readonly argv: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
  readonly user: string
  readonly stdin: Input
  readonly outputs: ReadonlyArray<1 | 2>
  /** Owns the fibers; closing it ends the process. */
  readonly scope: Scope.Scope
}

const stopping: ReadonlySet<Signal> = new Set<Signal>(["SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"])
const harmless: ReadonlySet<Signal> = new Set<Signal>(["SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH"])

const toStatus = (value: number | ExitStatus.ExitStatus | void): ExitStatus.ExitStatus =>
  typeof value === "object" ? value : ExitStatus.exited(value ?? 0)

/** Ends a process at once: the kernel gives back what it held, whatever its program still does. */
const finish = (table: Table, process: Process, how: Exit.Exit<ExitStatus.ExitStatus>): void => {
  if (!table.running.delete(process.entry.pid)) return
  for (const fd of process.outputs) process.tree.outputs.dropWriter(fd)
  process.outputs.clear()
  process.stdin.closeReading()
  process.running.openUnsafe()
  process.tree.members.delete(process)
  if (process.tree.members.size === 0) process.tree.empty.openUnsafe()
  Deferred.doneUnsafe(process.status, how)
  for (const fiber of process.fibers) fiber.interruptUnsafe()
}

/** Runs a part of a process: its program, or the handler of a signal. */
const runPart = (
  table: Table,
  process: Process,
  scope: Scope.Scope,
  part: Effect.Effect<unknown>
): Effect.Effect<void> =>
  Effect.map(Effect.forkIn(part, scope), (fiber) => {
    process.fibers.add(fiber)
    fiber.addObserver((exit) => {
      process.fibers.delete(fiber)
      if (Exit.isSuccess(exit)) return
      // Interrupted from outside: the scope that owns the process closed. Otherwise the program is broken.
      finish(
        table,
        process,
        Cause.hasInterruptsOnly(exit.cause)
          ? Exit.succeed(ExitStatus.signaled("SIGKILL"))
          : Exit.failCause(exit.cause as Cause.Cause<never>)
      )
    })
  })

/** Delivers a signal as the kernel would. */
export const deliver = (table: Table, process: Process, signal: Signal, scope: Scope.Scope): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (!table.running.has(process.entry.pid)) return Effect.void
    if (signal === "SIGCONT") process.running.openUnsafe()
    const disposition =
      signal === "SIGKILL" || signal === "SIGSTOP" ? "default" : (process.dispositions.get(signal) ?? "default")
    if (disposition === "ignore") return Effect.void
    if (disposition !== "default") return runPart(table, process, scope, disposition)
    if (harmless.has(signal)) return Effect.void
    if (stopping.has(signal)) process.running.closeUnsafe()
    else finish(table, process, Exit.succeed(ExitStatus.signaled(signal)))
    return Effect.void
  })

/** Starts a process. */
export const start = (table: Table, options: Start): Effect.Effect<Process> =>
  Effect.suspend(() => {
    const { tree, scope } = options
    const process: Process = {
      entry: { pid: table.nextPid++, argv: options.argv, env: options.env },
      tree,
      status: Deferred.makeUnsafe(),
      dispositions: new Map(),
      running: Latch.makeUnsafe(true),
      outputs: new Set(options.outputs),
      stdin: options.stdin,
      fibers: new Set()
    }
    table.running.set(process.entry.pid, process)
    tree.members.add(process)
    for (const fd of process.outputs) tree.outputs.addWriter(fd)
    const program = Effect.suspend(() => options.program(makeIO(table, process, options))).pipe(
      Effect.scoped,
      Effect.flatMap((value) => Effect.sync(() => finish(table, process, Exit.succeed(toStatus(value)))))
    )
    return Effect.as(runPart(table, process, scope, program), process)
  })

/** Kills everything, again and again until nothing is left, and waits until no fiber of it runs. */
export const killTree = (table: Table, tree: Tree, scope: Scope.Scope): Effect.Effect<void> =>
  Effect.suspend(() => {
    const members = Array.from(tree.members)
    const fibers = members.flatMap((member) => Array.from(member.fibers))
    const killed = Effect.forEach(members, (member) => deliver(table, member, "SIGKILL", scope), { discard: true })
    return members.length === 0
      ? Effect.void
      : killed.pipe(Effect.andThen(Fiber.awaitAll(fibers)), Effect.andThen(killTree(table, tree, scope)))
  })

/** What is left of stdin, as a stream. */
export const streamOf = (read: ProcessIO["read"]): ProcessIO["stdin"] =>
  Stream.fromPull(
    Effect.succeed(
      Effect.flatMap(read, (bytes) => (bytes === undefined ? Cause.done() : Effect.succeed([bytes] as const)))
    )
  )

const makeIO = (table: Table, process: Process, options: Start): ProcessIO => {
  const { tree, scope } = options
  // A stopped process does nothing at all until it is continued.
  const gate = <A>(effect: Effect.Effect<A>): Effect.Effect<A> => Effect.andThen(process.running.await, effect)

  const write =
    (fd: 1 | 2) =>
    (data: string | Uint8Array): Effect.Effect<void> =>
      gate(
        Effect.suspend(() => {
          // What still runs of a dead process must neither fail nor wait, or nobody could wait for it.
          if (!table.running.has(process.entry.pid)) return Effect.void
          if (!process.outputs.has(fd))
            return Effect.die(new Error(`${process.entry.argv[0]} wrote to a closed output`))
          // A terminal has one line to the other side.
          const to = tree.tty.size === undefined ? fd : 1
          return Effect.flatMap(tree.outputs.write(to, typeof data === "string" ? encode(data) : data), (written) =>
            written ? Effect.void : Effect.andThen(deliver(table, process, "SIGPIPE", scope), pendingDeath)
          )
        })
      )
  // The interruption that a death brings arrives at the next step.
  const pendingDeath = Effect.suspend(() => (table.running.has(process.entry.pid) ? Effect.void : Effect.never))
  const close = (fd: 1 | 2) =>
    Effect.sync(() => {
      if (process.outputs.delete(fd)) tree.outputs.dropWriter(fd)
    })
  const read = gate(process.stdin.read)

  return {
    pid: process.entry.pid,
    argv: options.argv,
    args: options.argv.slice(1),
    env: options.env,
    cwd: options.cwd,
    user: options.user,
    tty: Effect.sync(() => tree.tty.size),
    stdin: streamOf(read),
    read,
    stdout: write(1),
    stderr: write(2),
    closeStdin: Effect.sync(process.stdin.closeReading),
    closeStdout: close(1),
    closeStderr: close(2),
    on: (signal, disposition) => Effect.sync(() => process.dispositions.set(signal, disposition)),
    exit: (status) =>
      Effect.andThen(
        Effect.sync(() => finish(table, process, Exit.succeed(toStatus(status)))),
        Effect.never
      ),
    fork: (program, { env = options.env, output = "inherit", escape = false } = {}) =>
      gate(
        Effect.map(
          start(table, {
            ...options,
            program,
            env,
            tree: escape ? makeTree(tree.outputs, tree.tty.size) : tree,
            outputs: output === "inherit" ? Array.from(process.outputs) : []
          }),
          (child) => ({ pid: child.entry.pid, wait: Deferred.await(child.status) })
        )
      ),
    kill: (pid, signal) =>
      Effect.suspend(() => {
        const target = table.running.get(pid)
        return target === undefined ? Effect.succeed(false) : Effect.as(deliver(table, target, signal, scope), true)
      }),
    ended: Deferred.await(process.status),
    processes: Effect.sync(() => Array.from(table.running.values(), (running) => running.entry))
  }
}
