/**
 * A line on the terminal that says what goes on while nothing else does. There is none for what is quick, nor where
 * standard error is no terminal: there it belongs to the command, byte by byte.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Says what goes on. */
export interface Progress {
  /** Shows the line while the effect runs, and wipes it away. */
  readonly during: (what: string) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** What goes on now. */
  readonly say: (what: string) => Effect.Effect<void>
}

const silent: Progress = { during: () => (effect) => effect, say: () => Effect.void }

const frames = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
const frameMillis = 100
// Nobody wonders before, and a line that flashes up only disturbs.
const quietMillis = 300
const wipe = "\r\u001b[K"

const onTerminal = (terminal: NodeJS.WriteStream): Progress => {
  let now = ""
  const paint = (tick: number) => {
    const seconds = Math.floor((quietMillis + tick * frameMillis) / 1000)
    const line = `${frames[tick % frames.length]} ${now} · ${seconds} s`
    // One that wraps could not be wiped away.
    terminal.write(wipe + line.slice(0, terminal.columns - 1))
  }
  const painting = Effect.gen(function* () {
    for (let tick = 0; ; tick++) {
      paint(tick)
      yield* Effect.sleep(frameMillis)
    }
  }).pipe(
    Effect.onInterrupt(() => Effect.sync(() => terminal.write(wipe))),
    Effect.delay(quietMillis)
  )
  return {
    say: (what) => Effect.sync(() => void (now = what)),
    during: (what) => (effect) =>
      Effect.acquireUseRelease(
        Effect.suspend(() => {
          now = what
          return Effect.forkChild(painting)
        }),
        () => effect,
        Fiber.interrupt
      )
  }
}

/** Says what goes on: on standard error, where that is a terminal. */
export const Progress: Context.Reference<Progress> = Context.Reference<Progress>("@effect-exec/cli/Progress", {
  defaultValue: () => (process.stderr.isTTY && process.env["TERM"] !== "dumb" ? onTerminal(process.stderr) : silent)
})
