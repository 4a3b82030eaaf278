/**
 * The backend's primitive, on simulated processes.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Running, SpawnRequest } from "effect-exec/Backend"
import * as Command from "effect-exec/Command"
import * as ExecError from "effect-exec/ExecError"
import type { Program } from "../../Program.ts"
import { makeInput, makeOutputs } from "./pipe.ts"
import { deliver, killTree, makeTree, start, type Table } from "./process.ts"

/** A simulated machine: what is installed on it, and what runs. */
export interface Machine {
  readonly table: Table
  /** What a command would run. */
  readonly find: (command: Command.Command) => Effect.Effect<Program, ExecError.ExecError>
  readonly env: Readonly<Record<string, string>>
  readonly user: string
}

/** Starts a command on the machine; the `owner` is the layer's scope, to which a lingering tree is left. */
export const spawn = (
  machine: Machine,
  owner: Scope.Scope,
  request: SpawnRequest
): Effect.Effect<Running, ExecError.ExecError, Scope.Scope> =>
  Effect.uninterruptible(
    Effect.gen(function* () {
      const { table } = machine
      const { command } = request
      const program = yield* machine.find(command)
      const outputs = makeOutputs()
      const stdin = makeInput()
      if (request.stdin === "none") stdin.closeWriting()
      const tree = makeTree(outputs, command.tty)
      const leader = yield* start(table, {
        program,
        tree,
        argv: command.argv,
        env: Command.environment(command, machine.env),
        cwd: command.cwd ?? "/",
        user: command.user?.split(":")[0] ?? machine.user,
        stdin,
        outputs: [1, 2],
        scope: owner
      })
      const { pid } = leader.entry
      yield* Effect.addFinalizer(() => {
        outputs.closeReading()
        return request.lingering === "leave" && !table.running.has(pid) ? Effect.void : killTree(table, tree, owner)
      })
      const gone = ExecError.make(new ExecError.ProcessExited({ id: request.id }))
      const running: Running = {
        pid,
        pull: outputs.pull,
        closeOutput: Effect.sync(outputs.closeReading),
        write: (bytes) => Effect.flatMap(stdin.write(bytes), (written) => (written ? Effect.void : Effect.fail(gone))),
        closeStdin: Effect.sync(stdin.closeWriting),
        exited: Deferred.await(leader.status),
        treeEmpty: tree.empty.await,
        signal: (signal, scope) =>
          scope === "tree" && signal === "SIGKILL"
            ? killTree(table, tree, owner)
            : Effect.suspend(() =>
                Effect.forEach(
                  scope === "process" ? [leader] : Array.from(tree.members),
                  (member) => deliver(table, member, signal, owner),
                  { discard: true }
                )
              )
      }
      return command.tty === undefined
        ? running
        : {
            ...running,
            resize: (size) =>
              Effect.suspend(() => {
                tree.tty.size = size
                return running.signal("SIGWINCH", "tree")
              })
          }
    })
  )
