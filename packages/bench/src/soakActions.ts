/**
 * What the soak does: one random thing to one random tree. Each gives a description, so that what went wrong can be
 * said, and an effect that ends when nothing of its tree should be left.
 */
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { Exec, type ExecError, Signal } from "effect-exec"
import * as Trees from "./trees.ts"

/** Something that should not be. */
export class Wrong extends Data.TaggedError("Wrong")<{ readonly what: string }> {
  override get message(): string {
    return this.what
  }
}

/** What to do, and how to say it. */
export interface Action {
  readonly what: string
  readonly effect: Effect.Effect<void, Wrong | ExecError.ExecError>
}

/** Chooses, the same with the same seed. */
export interface Choose {
  readonly below: (limit: number) => number
  readonly of: <A>(all: ReadonlyArray<A>) => A
}

export const choose = (random: () => number): Choose => {
  const below = (limit: number) => Math.floor(random() * limit)
  return { below, of: (all) => all[below(all.length)]! }
}

/** The detached ones that nobody has ended yet, by tag. */
export interface Detached {
  readonly tag: string
  readonly mark: string
  readonly tree: Trees.Tree
}

/** What all actors of one epoch share. */
export interface World {
  readonly exec: Exec.Exec["Service"]
  readonly detached: Array<Detached>
  /** Says that nothing with this mark may be left from now on. */
  readonly gone: (mark: string) => void
}

const ignored = new Set<Signal.Signal>([
  "SIGCHLD",
  "SIGCONT",
  "SIGSTOP",
  "SIGTSTP",
  "SIGTTIN",
  "SIGTTOU",
  "SIGURG",
  "SIGWINCH"
])
const realTime = Array.from({ length: 31 }, (_, index): Signal.Signal => `SIG${34 + index}`)
const endingSignals = [...Signal.named.filter((signal) => !ignored.has(signal)), ...realTime]

const endless = Trees.trees.filter((tree) => tree.ends !== true)
const writers = Trees.trees.filter((tree) => tree.writes === true)

const grace = 40

const expect = (isRight: boolean, what: string): Effect.Effect<void, Wrong> =>
  isRight ? Effect.void : Effect.fail(new Wrong({ what }))

/** Interrupts after a while, in one of three ways; what had failed before that is a failure. */
const interrupted = <A, E>(effect: Effect.Effect<A, E>, way: number, millis: number): Effect.Effect<void, E> => {
  if (way === 0) return Effect.asVoid(Effect.timeoutOption(effect, millis))
  if (way === 1) return Effect.asVoid(Effect.raceFirst(effect, Effect.sleep(millis)))
  return Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    yield* Effect.sleep(millis)
    yield* Fiber.interrupt(fiber)
    const exit = yield* Fiber.await(fiber)
    if (Exit.isFailure(exit) && !Cause.hasInterruptsOnly(exit.cause)) return yield* Effect.failCause(exit.cause)
  })
}

type Make = (world: World, next: Choose, mark: string) => Action

const interruptRun: Make = ({ exec }, next, mark) => {
  const tree = next.of(Trees.trees)
  const [way, millis] = [next.below(3), next.below(80)]
  return {
    what: `run of "${tree.name}", interrupted in way ${way} after ${millis} ms`,
    effect: interrupted(exec.run(Trees.command(tree, mark), { grace, maxOutput: Infinity }), way, millis)
  }
}

const timeOutRun: Make = ({ exec }, next, mark) => {
  const tree = next.of(endless)
  const timeout = 1 + next.below(80)
  return {
    what: `run of "${tree.name}" with a timeout of ${timeout} ms`,
    effect: Effect.flatMap(
      exec.run(Trees.command(tree, mark), { timeout, grace, maxOutput: Infinity }),
      ({ endedBy, timedOut }) => expect(timedOut, `it was ended by ${endedBy}, not by its timeout`)
    )
  }
}

const capRun: Make = ({ exec }, next, mark) => {
  const tree = next.of(writers)
  const maxOutput = next.below(300_000)
  return {
    what: `run of "${tree.name}" with maxOutput ${maxOutput}`,
    effect: Effect.flatMap(
      exec.run(Trees.command(tree, mark), { grace, maxOutput }),
      ({ stderrBytes, stdoutBytes, truncated }) =>
        expect(
          truncated && stdoutBytes.length + stderrBytes.length === maxOutput,
          `${stdoutBytes.length} + ${stderrBytes.length} bytes, truncated ${truncated}`
        )
    )
  }
}

const letEnd: Make = ({ exec }, next, mark) => {
  const tree = next.of(Trees.trees.filter(({ ends }) => ends))
  return {
    what: `run of "${tree.name}" to its end`,
    effect: Effect.flatMap(exec.run(Trees.command(tree, mark), { grace }), ({ endedBy, incomplete }) =>
      expect(endedBy === "self" && !incomplete, `ended by ${endedBy}, incomplete ${incomplete}`)
    )
  }
}

const stopStream: Make = ({ exec }, next, mark) => {
  const tree = next.of(writers)
  const count = next.below(20)
  return {
    what: `stream of "${tree.name}", stopped after ${count} events`,
    effect: exec.stream(Trees.command(tree, mark), { grace }).pipe(Stream.take(count), Stream.runDrain)
  }
}

const interruptStdin: Make = ({ exec }, next, mark) => {
  const [way, millis] = [next.below(3), next.below(80)]
  const stdin = Stream.forever(Stream.succeed(new Uint8Array(1 + next.below(100_000))))
  const tree: Trees.Tree = { name: "cat", script: "cat | cat" }
  return {
    what: `run of "cat | cat" that reads without end, interrupted in way ${way} after ${millis} ms`,
    effect: interrupted(exec.run(Trees.command(tree, mark), { grace, stdin, maxOutput: Infinity }), way, millis)
  }
}

const failStdin: Make = ({ exec }, next, mark) => {
  const tree = next.of(endless)
  const millis = next.below(50)
  const stdin = Stream.concat(
    Stream.succeed(new Uint8Array(10)),
    Stream.fromEffect(Effect.andThen(Effect.sleep(millis), Effect.fail("stdin" as const)))
  )
  return {
    what: `run of "${tree.name}" whose stdin fails after ${millis} ms`,
    effect: exec.run(Trees.command(tree, mark), { grace, stdin, maxOutput: Infinity }).pipe(
      Effect.matchEffect({
        onSuccess: () => expect(false, "it succeeded"),
        onFailure: (error) => (error === "stdin" ? Effect.void : Effect.fail(error))
      })
    )
  }
}

const killSpawned: Make = ({ exec }, next, mark) => {
  const tree = next.of(endless)
  const [signal, millis, isRead] = [next.of(endingSignals), next.below(60), next.below(2) === 0]
  const scope = tree.hasSession !== true && next.below(3) === 0 ? "process" : "tree"
  return {
    what: `spawn of "${tree.name}", ${isRead ? "read" : "not read"}, ${signal} to its ${scope} after ${millis} ms`,
    effect: Effect.gen(function* () {
      const process = yield* exec.spawn(Trees.command(tree, mark), { grace, stdin: "open" })
      if (isRead) yield* Effect.forkScoped(Stream.runDrain(process.events))
      yield* Effect.sleep(millis)
      yield* process.kill({ signal, scope, grace })
      yield* process.wait
      yield* process.kill({ signal })
    }).pipe(Effect.scoped)
  }
}

const detach: Make = ({ detached, exec }, next, mark) => {
  const tree = next.of(Trees.trees)
  const ring = 1 + next.below(100_000)
  // A writer that nothing stops takes a whole core for as long as it lives; some do, or little else would be done.
  const overflow = tree.writes === true && next.below(8) > 0 ? "block" : next.of(["evict", "block"] as const)
  const tag = `soak-${mark}`
  return {
    what: `detach of "${tree.name}" with a ring of ${ring} (${overflow})`,
    effect: Effect.map(exec.detach(Trees.command(tree, mark), { tag, ring, overflow, grace, stdin: "open" }), () => {
      detached.push({ tag, mark, tree })
    })
  }
}

const lookAt: Make = ({ detached, exec }, next) => {
  const one = next.of(detached)
  const count = next.below(10)
  return {
    what: `list, get, peek, read and connect of ${one.tag} ("${one.tree.name}"), ${count} events`,
    effect: Effect.gen(function* () {
      yield* exec.list({ exited: true })
      const process = yield* exec.get(one.tag)
      yield* process.peek
      yield* exec.connect(one.tag).pipe(Stream.take(count), Stream.runDrain, Effect.timeoutOption(50))
      yield* process.read
      yield* process.write("hello").pipe(Effect.catchReason("ExecError", "ProcessExited", () => Effect.void))
    })
  }
}

const killDetached: Make = ({ detached, exec, gone }, next) => {
  const [one] = detached.splice(next.below(detached.length), 1)
  const { mark, tag, tree } = one!
  const signal = next.of(endingSignals)
  return {
    what: `kill of ${tag} ("${tree.name}") with ${signal}`,
    effect: Effect.gen(function* () {
      const process = yield* exec.get(tag)
      yield* exec.kill(tag, { signal, grace })
      // With "block" and a full ring the last words wait until somebody takes what is there.
      yield* Effect.raceFirst(process.wait(), Effect.forever(Effect.andThen(process.read, Effect.sleep(10))))
      gone(mark)
    })
  }
}

const kinds: ReadonlyArray<readonly [name: string, make: Make]> = [
  ["interrupt", interruptRun],
  ["timeout", timeOutRun],
  ["cap", capRun],
  ["end", letEnd],
  ["stop", stopStream],
  ["stdin", interruptStdin],
  ["stdinFails", failStdin],
  ["kill", killSpawned],
  ["detach", detach],
  ["look", lookAt],
  ["killDetached", killDetached]
]

/** One of them. `detach` and what needs a detached process go on until there are many, and stop when there is none. */
export const next = (world: World, chosen: Choose, mark: string): Action & { readonly kind: string } => {
  for (;;) {
    const [kind, make] = chosen.of(kinds)
    const needsOne = make === lookAt || make === killDetached
    if (needsOne && world.detached.length === 0) continue
    if (make === detach && world.detached.length >= 24) continue
    const action = make(world, chosen, mark)
    return {
      ...action,
      kind,
      // What is detached stays; all others leave nothing, however they end.
      effect:
        make === detach || needsOne
          ? action.effect
          : Effect.andThen(
              action.effect,
              Effect.sync(() => world.gone(mark))
            )
    }
  }
}
