/**
 * The portable variant of the local backend: Node's own `spawn`, and trees followed from outside.
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type * as Backend from "effect-exec/Backend"
import type * as Capabilities from "effect-exec/Capabilities"
import * as ExecError from "effect-exec/ExecError"
import { type Ending, killTree } from "./killTree.ts"
import * as Procfs from "./procfs.ts"
import { Running } from "./running.ts"
import * as Start from "./start.ts"
import * as Tree from "./tree.ts"

/** Longer than the kernel ever takes for processes that can be killed at all. */
const killMillis = 5000

const capabilities = (): Capabilities.Capabilities => ({
  tree: Procfs.available ? "group+descent" : "group",
  exit: "exact",
  stdin: "stream",
  tty: "none",
  user: process.getuid?.() === 0 ? "any" : "none",
  detach: "layer",
  pidReuse: Procfs.available ? "checked" : "none"
})

const stay = (): void => {}

const noWindows = ExecError.make(
  new ExecError.BackendUnavailable({
    backend: "local",
    hint: "Windows has no POSIX processes: run this program in WSL, or run its commands in Docker or on a capsule."
  })
)

const ended = (tree: Tree.Tree): Effect.Effect<Ending> =>
  Effect.callback((resume) => {
    const abort = new AbortController()
    const deadline = setTimeout(() => abort.abort(), killMillis)
    killTree(tree, abort.signal)
      .finally(() => clearTimeout(deadline))
      .then(
        (ending) => resume(Effect.succeed(ending)),
        (defect) => resume(Effect.die(defect))
      )
  })

/** Kills the tree, if anything is left of it, and waits until it is gone: at most 5 s, then warns. Never fails. */
const end = (tree: Tree.Tree): Effect.Effect<void> =>
  Effect.suspend(() => (Tree.isGone(tree) ? Effect.succeed("empty" as const) : ended(tree))).pipe(
    Effect.flatMap((ending) =>
      ending === "empty"
        ? Effect.void
        : Effect.logWarning(
            `The tree of process ${tree.leader} could not be ended: ${
              ending === "denied" ? "it may not be signalled" : `it was still there after ${killMillis} ms`
            }`
          )
    )
  )

/** Starts commands with Node; what `lingering: "leave"` left behind ends with the scope. */
export const make = (base: Start.Base): Effect.Effect<Backend.Backend, never, Scope.Scope> =>
  Effect.gen(function* () {
    // `undefined` once the scope is closed, when nothing can be handed over any more.
    let left: Set<Tree.Tree> | undefined = new Set()
    yield* Effect.addFinalizer(() => {
      const trees = left!
      left = undefined
      return Effect.forEach(trees, end, { concurrency: "unbounded", discard: true })
    })

    const leave = (tree: Tree.Tree): void => {
      // The list is cleared of what ended by itself, so that it does not grow with the age of the layer.
      for (const other of left ?? []) if (Tree.isGone(other)) left!.delete(other)
      if (!Tree.isGone(tree)) left?.add(tree)
    }

    // What waits here for as long as the command lives knows of nothing else, above all of nobody's span.
    const releaseWithScope = (running: Running) =>
      Effect.flatMap(Effect.scope, (scope) => Scope.addFinalizerExit(scope, () => release(running)))
    const release = (running: Running) =>
      Effect.andThen(
        left?.has(running.tree) === true ? Effect.void : end(running.tree),
        Effect.sync(() => running.release())
      )

    const spawn: Backend.Backend["spawn"] = (request) =>
      Effect.uninterruptible(
        Effect.tap(
          Start.start(
            request,
            base,
            (child) => new Running(request, child, request.lingering === "leave" ? leave : stay)
          ),
          releaseWithScope
        )
      )

    return {
      name: "local",
      capabilities: Effect.sync(capabilities),
      spawn: process.platform === "win32" ? () => Effect.fail(noWindows) : spawn
    }
  })
