/**
 * Callbacks for a detached process, on top of its events.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ExecError } from "../ExecError.ts"
import type { Callbacks, DetachedProcess } from "../Process.ts"
import * as view from "./text.ts"

// Whatever becomes of a callback concerns neither the process nor the other callbacks, but must not stay unheard of.
const reported = <R>(name: string, process: DetachedProcess, callback: Effect.Effect<unknown, unknown, R>) =>
  Effect.catchCause(callback, (cause) =>
    Effect.logError(`The ${name} callback of the process ${process.tag} failed`, cause)
  )

/** Each callback has a reader, and a fiber in the scope, of its own: a slow one makes only itself late. */
export const observe = Effect.fnUntraced(function* <E, R>(
  process: DetachedProcess,
  { onExit, onStderr, onStdout }: Callbacks<E, R>
): Effect.fn.Return<void, never, R | Scope.Scope> {
  const follow = (name: string, callbacks: Stream.Stream<Effect.Effect<unknown, E, R>, ExecError>) =>
    Stream.runForEach(callbacks, (callback) => reported(name, process, callback)).pipe(
      Effect.catch((error) =>
        Effect.logWarning(`The ${name} callback of the process ${process.tag} ends early`, error)
      ),
      Effect.forkScoped
    )
  if (onStdout) {
    const text = view.through(process.events(), "stdout", view.plain)
    yield* follow(
      "onStdout",
      Stream.map(text, (text) => onStdout(text, process))
    )
  }
  if (onStderr) {
    const text = view.through(process.events(), "stderr", view.plain)
    yield* follow(
      "onStderr",
      Stream.map(text, (text) => onStderr(text, process))
    )
  }
  if (onExit) {
    const end = Stream.fromEffect(process.wait())
    yield* follow(
      "onExit",
      Stream.map(end, (result) => onExit(result.status, process))
    )
  }
})
