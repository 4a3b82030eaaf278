/** What the tests share: requests, reading, temporary directories, and waiting for facts. */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { type Backend, Command, ProcessId } from "effect-exec"
import * as Procfs from "../src/internal/procfs.ts"
import { isAlive } from "../src/internal/procStat.ts"
import * as LocalExec from "../src/LocalExec.ts"

export const request = (
  command: Command.Command,
  options: Partial<Pick<Backend.SpawnRequest, "stdin" | "lingering">> = {}
): Backend.SpawnRequest => ({
  id: ProcessId.make("test"),
  command,
  stdin: "none",
  lingering: "kill",
  ...options
})

/** The portable variant: what these tests are about. */
export const portable = (options: LocalExec.Options = {}) => LocalExec.backend({ ...options, agent: "never" })

/** Spawns with a backend of its own, both in the scope of the test. */
export const spawn = (command: Command.Command, options?: Parameters<typeof request>[1], local?: LocalExec.Options) =>
  Effect.flatMap(portable(local), (backend) => backend.spawn(request(command, options)))

const text = (outputs: ReadonlyArray<Backend.Output>, fd: 1 | 2): string =>
  Buffer.concat(outputs.filter((output) => output.fd === fd).map((output) => output.bytes)).toString()

/** Reads to the end. */
export const readAll = Effect.fnUntraced(function* (running: Backend.Running) {
  const outputs: Array<Backend.Output> = []
  const ended = yield* Effect.flip(Effect.forever(Effect.map(running.pull, (some) => void outputs.push(...some))))
  return { stdout: text(outputs, 1), stderr: text(outputs, 2), outputs, ended }
})

/** Reads stdout until it holds what is looked for, and gives all that came. */
export const readUntil = Effect.fnUntraced(function* (running: Backend.Running, pattern: RegExp) {
  let all = ""
  while (!pattern.test(all)) all += text(yield* running.pull, 1)
  return all
})

/** The whole life of a command: output and status. */
export const run = (command: Command.Command, local?: LocalExec.Options) =>
  Effect.scoped(
    Effect.gen(function* () {
      const running = yield* spawn(command, {}, local)
      const read = yield* readAll(running)
      return { ...read, status: yield* running.exited }
    })
  )

/** The reason why a command does not start. */
export const failure = (command: Command.Command, local?: LocalExec.Options) =>
  Effect.map(Effect.flip(Effect.scoped(spawn(command, {}, local))), (error) => error.reason)

export const temporary = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "local-exec-"))),
  (directory) => Effect.sync(() => Fs.rmSync(directory, { recursive: true, force: true }))
)

export const executable = (path: string, content: string | Uint8Array, mode = 0o755): string => {
  Fs.writeFileSync(path, content)
  Fs.chmodSync(path, mode)
  return path
}

/** Waits until something is so; the test's own timeout is the limit. */
export const eventually = (fact: () => boolean): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const timer = setInterval(() => {
      if (!fact()) return
      clearInterval(timer)
      resume(Effect.void)
    }, 2)
    return Effect.sync(() => clearInterval(timer))
  })

export const alive = (pid: number): boolean => {
  const stat = Procfs.read(pid)
  return stat !== undefined && isAlive(stat)
}

export const numbers = (all: string): Array<number> => all.match(/\d+/g)!.map(Number)

/** A backend in a scope that the test closes itself. */
export const closable = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const backend = yield* Scope.provide(portable(), scope)
  return { backend, close: Scope.close(scope, Exit.void) }
})
