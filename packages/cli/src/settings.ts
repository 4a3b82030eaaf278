/**
 * What flags mean when they are absent: variables `EFFECT_EXEC_*`, else a file, else what the library says.
 *
 * The file is TOML: `effect-exec/config.toml` where configuration belongs (`XDG_CONFIG_HOME`, `~/.config`), or where
 * `EFFECT_EXEC_CONFIG` says.
 */
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Result from "effect/Result"
import { Failure, refuse } from "./failure.ts"
import * as Quantity from "./quantity.ts"

/** What can be set. */
export interface Settings {
  /** Where commands run. */
  readonly on?: string
  /** The longest that `run` lets a command take. */
  readonly timeout?: Duration.Duration
  /** The time between TERM and KILL. */
  readonly grace?: Duration.Duration
  /** The most output that `run` takes. */
  readonly maxOutput?: number
  /** Where the token for capsule servers is. */
  readonly tokenFile?: string
}

const parsers: { readonly [K in keyof Settings]-?: (text: string) => Quantity.Parsed<NonNullable<Settings[K]>> } = {
  on: Result.succeed,
  timeout: Quantity.duration,
  grace: Quantity.duration,
  maxOutput: Quantity.bytes,
  tokenFile: Result.succeed
}
const names = Object.keys(parsers) as ReadonlyArray<keyof Settings>

/** The variable that sets it: `EFFECT_EXEC_MAX_OUTPUT`. */
export const variable = (name: string): string =>
  `EFFECT_EXEC_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`

const parse = (name: keyof Settings, text: string, source: string): Effect.Effect<Settings, Failure> =>
  Result.match(parsers[name](text) as Quantity.Parsed<unknown>, {
    onFailure: (problem) => refuse(`${source}: ${JSON.stringify(text)} ${problem}`),
    onSuccess: (value) => Effect.succeed({ [name]: value })
  })

const merge = (parts: ReadonlyArray<Settings>): Settings => Object.assign({}, ...parts)

const fromVariables: Effect.Effect<Settings, Failure> = Effect.suspend(() =>
  Effect.all(
    names.flatMap((name) => {
      const text = process.env[variable(name)] ?? ""
      return text === "" ? [] : [parse(name, text, variable(name))]
    })
  ).pipe(Effect.map(merge))
)

const file = (): string =>
  process.env["EFFECT_EXEC_CONFIG"] ||
  Path.join(process.env["XDG_CONFIG_HOME"] || Path.join(Os.homedir(), ".config"), "effect-exec", "config.toml")

const read = (path: string): Effect.Effect<string | undefined, Failure> =>
  Effect.try({
    try: () => Fs.readFileSync(path, "utf8"),
    catch: (cause) => (cause as NodeJS.ErrnoException).code ?? "EIO"
  }).pipe(
    Effect.catch((code) =>
      // One that was named has to be there.
      code === "ENOENT" && (process.env["EFFECT_EXEC_CONFIG"] ?? "") === ""
        ? Effect.succeed(undefined)
        : refuse(`The configuration ${path} cannot be read: ${code}`)
    )
  )

const decode = (path: string, text: string): Effect.Effect<Settings, Failure> =>
  Effect.gen(function* () {
    const table = yield* Effect.mapError(
      Effect.fromResult(Toml.parse(text)),
      ({ message }) => new Failure({ message: `The configuration ${path} is not TOML: ${message}` })
    )
    return yield* Effect.all(
      Object.entries(table).map(([key, value]) => {
        const name = names.find((name) => name === key)
        if (name === undefined) return refuse(`${path}: there is no setting ${key}; there are ${names.join(", ")}`)
        return typeof value === "string" || typeof value === "number" || typeof value === "bigint"
          ? parse(name, String(value), `${path}: ${name}`)
          : refuse(`${path}: ${name} is neither a string nor a number`)
      })
    ).pipe(Effect.map(merge))
  })

const fromFile: Effect.Effect<Settings, Failure> = Effect.suspend(() => {
  const path = file()
  return Effect.flatMap(read(path), (text) => (text === undefined ? Effect.succeed({}) : decode(path, text)))
})

/** The settings in force. Fails for what is not understood, wherever it was said. */
export const load: Effect.Effect<Settings, Failure> = Effect.map(Effect.all([fromFile, fromVariables]), merge)
