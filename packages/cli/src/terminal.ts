/**
 * This program's own terminal and input, lent to a command.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ProcessHandle } from "effect-exec/Process"
import type { TtySize } from "effect-exec/TtySize"
import { Failure } from "./failure.ts"
import { listen } from "./listen.ts"

/** Standard input, read as it is wanted. */
export const input: Stream.Stream<Uint8Array, Failure> = NodeStream.fromReadable<Uint8Array, Failure>({
  evaluate: () => process.stdin,
  onError: (cause) => new Failure({ message: `Cannot read standard input: ${(cause as NodeJS.ErrnoException).code}` }),
  closeOnDone: false
})

/**
 * What is typed, key by key: while it is read, keys that make signals, as Ctrl-C does, are bytes for the command too.
 */
export const keys: Stream.Stream<Uint8Array, Failure> = Stream.unwrap(
  Effect.acquireRelease(
    Effect.sync(() => process.stdin.setRawMode(true)),
    () => Effect.sync(() => process.stdin.setRawMode(false))
  ).pipe(Effect.as(input))
)

const screen = (): NodeJS.WriteStream | undefined => [process.stdout, process.stderr].find(({ isTTY }) => isTTY)

/** The size of the terminal; where there is none, the one that terminals used to have. */
export const size = (): TtySize => {
  const { columns, rows } = screen() ?? {}
  // One whose size nobody ever said has 0 columns.
  return { columns: columns || 80, rows: rows || 24 }
}

/** Keeps the terminal of a command at the size of this one. */
export const followSize = (child: Pick<ProcessHandle, "resize">): Effect.Effect<void, never, Scope.Scope> => {
  const resize = Effect.suspend(() => Effect.ignore(child.resize(size())))
  const terminal = screen()
  return terminal === undefined ? Effect.void : listen(terminal, "resize", resize)
}
