/**
 * The signals that people and init systems send to this program. They interrupt it, unless somebody handles them: a
 * command that runs is sent them instead.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"

const numbers = { SIGHUP: 1, SIGINT: 2, SIGQUIT: 3, SIGTERM: 15 } as const

/** A signal that ends a program which does not handle it. */
export type EndingSignal = keyof typeof numbers

/** Ends this program now. What it started ends with it: its agents read the end of their pipes. */
const leave = (signal: EndingSignal): void => process.exit(128 + numbers[signal])

let last: EndingSignal | undefined
let react: (signal: EndingSignal) => void = leave

/** Ends this program by a signal, as if it had never been handled; but for the core that SIGQUIT would dump. */
export const endBy = (signal: EndingSignal): void => {
  process.removeAllListeners(signal)
  if (signal !== "SIGQUIT") process.kill(process.pid, signal)
  leave(signal)
}

/** The last one that was received. */
export const received = (): EndingSignal | undefined => last

/** Runs the effect, interrupts it by what nobody handles, and gives its end. Whoever insists ends this program at once. */
export const interrupting = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Exit.Exit<A, E>, never, R> =>
  Effect.flatMap(Effect.forkChild(effect), (fiber) => {
    react = () => {
      react = leave
      fiber.interruptUnsafe(fiber.id)
    }
    for (const signal of Object.keys(numbers) as ReadonlyArray<EndingSignal>) {
      process.on(signal, () => {
        // A terminal that is closed sends it twice, itself and by its shell: nobody insists.
        if (signal === "SIGHUP" && last === signal) return
        react((last = signal))
      })
    }
    return Fiber.await(fiber)
  })

/**
 * Calls back for every signal, the nth since, instead of interrupting this program, until the scope closes. The third
 * one ends this program at once.
 */
export const handle = (
  handler: (signal: EndingSignal, nth: number) => Effect.Effect<void>
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.flatMap(FiberSet.makeRuntime<never>(), (run) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => {
          const before = react
          let count = 0
          react = (signal) => (++count > 2 ? leave(signal) : void run(handler(signal, count)))
          return before
        }),
        (before) => Effect.sync(() => void (react = before))
      )
    )
  )
