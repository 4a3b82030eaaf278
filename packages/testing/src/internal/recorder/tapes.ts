/**
 * Which recording a command is played from, and what is said where there is none.
 */
import * as Redacted from "effect/Redacted"
import type { SpawnRequest } from "effect-exec/Backend"
import type { Command } from "effect-exec/Command"
import type { Recording, Start } from "../../Cassette.ts"
import { show } from "../matching.ts"
import { differences, distance } from "../nearest.ts"
import { type Secrets, secretsOf } from "./secrets.ts"

/** What of a start has to be the same. */
type Key = Pick<Start, "run" | "cwd" | "user" | "tty" | "env" | "extendEnv" | "stdin" | "lingering">

const keys = ["cwd", "user", "tty", "env", "extendEnv", "stdin", "lingering"] as const

/** What a cassette says of a command. */
export const keyOf = ({ command, lingering, stdin }: SpawnRequest): Key => {
  const { argv, cwd, extendEnv, tty, user } = command
  const env = envOf(command)
  return {
    run: argv,
    ...(cwd === undefined ? {} : { cwd }),
    ...(user === undefined ? {} : { user }),
    ...(tty === undefined ? {} : { tty }),
    ...(env === undefined ? {} : { env }),
    ...(extendEnv === undefined ? {} : { extendEnv }),
    stdin,
    lingering
  }
}

// By name, so that the order in which a program adds variables is no difference.
const envOf = ({ env }: Command): Key["env"] =>
  env === undefined
    ? undefined
    : Object.fromEntries(
        Object.entries(env)
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([name, value]) => [
            name,
            value === undefined ? null : Redacted.isRedacted(value) ? { redacted: true as const } : value
          ])
      )

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

/** The recordings of a cassette, each of which is played once. */
export class Tapes {
  private readonly unused: Array<Recording>
  private readonly used: Array<Recording> = []
  private readonly unknown: Array<Key> = []
  private readonly path: string
  private readonly secrets: Secrets

  constructor(path: string, recordings: ReadonlyArray<Recording>, secrets: Secrets) {
    this.path = path
    this.unused = [...recordings]
    this.secrets = secrets
  }

  /** The next recording of this command, if there is one left. */
  next(request: SpawnRequest): Recording | undefined {
    const key = this.hidden(request)
    return this.unused.find(({ start }) => isSame(start, key))
  }

  /** The same, taken: nobody else gets it. */
  claim(request: SpawnRequest): Recording | undefined {
    const recording = this.next(request)
    if (recording === undefined) return undefined
    this.unused.splice(this.unused.indexOf(recording), 1)
    this.used.push(recording)
    return recording
  }

  /** Takes back a recording of what was not started after all. */
  giveBack(recording: Recording): void {
    this.used.splice(this.used.lastIndexOf(recording), 1)
    this.unused.unshift(recording)
  }

  /** Notes a command that there is no recording of, and says what is different in those that there are. */
  refuse(request: SpawnRequest): Error {
    const key = this.hidden(request)
    this.unknown.push(key)
    const all = [...this.unused, ...this.used]
    const near = all
      .map(({ start }) => ({ start, distance: distance(key.run, start.run) }))
      .toSorted((a, b) => a.distance - b.distance)[0]
    return new Error(
      [
        `${show(key.run)} is not in the cassette ${this.path}`,
        ...(near === undefined ? [] : [`Nearest to it is ${show(near.start.run)}: ${this.why(key, near.start)}`]),
        ...list("Not run yet:", this.unused),
        ...list("Already run:", this.used),
        `Where this is how it should be, record it anew, or add to it with the mode "update"`
      ].join("\n")
    )
  }

  /** The recordings that nobody asked for. */
  get left(): ReadonlyArray<Recording> {
    return this.unused
  }

  /** What was run and is not in the cassette, for programs that swallow that. */
  get problem(): Error | undefined {
    return this.unknown.length === 0
      ? undefined
      : new Error([`Not in the cassette ${this.path}:`, ...this.unknown.map(({ run }) => `  ${show(run)}`)].join("\n"))
  }

  private hidden(request: SpawnRequest): Key {
    this.secrets.add(secretsOf(request.command))
    return this.secrets.json(keyOf(request))
  }

  private why(key: Key, start: Start): string {
    if (isSame(start, key)) {
      const count = this.used.filter((it) => isSame(it.start, key)).length
      return count === 1 ? "it was recorded once only" : `it was recorded ${count} times only`
    }
    const words = differences(key.run, start.run)
    const others = keys.flatMap((name) =>
      same(key[name], start[name])
        ? []
        : [`${name} is ${JSON.stringify(key[name]) ?? "absent"} instead of ${JSON.stringify(start[name]) ?? "absent"}`]
    )
    return [...(words === "" ? [] : [words]), ...others].join(", ")
  }
}

const isSame = (start: Start, key: Key): boolean =>
  same(start.run, key.run) && keys.every((name) => same(start[name], key[name]))

const list = (title: string, recordings: ReadonlyArray<Recording>): ReadonlyArray<string> =>
  recordings.length === 0 ? [] : [title, ...recordings.map(({ start }) => `  ${show(start.run)}`)]
