/**
 * Where commands run: what `--on` names. Each kind of place is a module of its own, loaded when it is named.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type { Exec } from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import { type Failure, refuse } from "./failure.ts"
import * as Settings from "./settings.ts"
import * as tokens from "./token.ts"

/** What `doctor` says of a place that works. */
export interface Health {
  /** What there is, in a few words. */
  readonly summary: string
  /** What one should know all the same. */
  readonly remarks: ReadonlyArray<string>
}

/** What the module of a place gives. */
export interface PlaceModule {
  /** The layer for what stands behind the colon. Fails for what cannot be such a place. */
  readonly layer: (target: string, token: Token) => Effect.Effect<Layer.Layer<Exec>, Failure>
  /** Whether such a place can be had on this machine; absent where another kind's check says it, or none can. */
  readonly check?: Effect.Effect<Health, ExecError>
}

/** What is shown to a place that asks who comes. */
export type Token = Redacted.Redacted<string> | undefined

/** A kind of place. */
export interface Kind {
  readonly name: string
  /** How one is named: `docker:IMAGE`. */
  readonly form: string
  /** Whether it owns processes: those that were detached there live on without this program. */
  readonly owns: boolean
  readonly load: () => Promise<PlaceModule>
}

/** All kinds of places. */
export const kinds: ReadonlyArray<Kind> = [
  { name: "local", form: "local", owns: false, load: () => import("./places/local.ts") },
  { name: "docker", form: "docker:IMAGE", owns: false, load: () => import("./places/docker.ts") },
  { name: "container", form: "container:NAME", owns: false, load: () => import("./places/container.ts") },
  { name: "capsule", form: "capsule:URL[/ID]", owns: true, load: () => import("./places/capsule.ts") }
]

/** A place, named but not yet reached. */
export interface Place {
  /** As it was named. */
  readonly name: string
  readonly kind: Kind
  /** What stands behind the colon. */
  readonly target: string
  readonly token: Token
  readonly layer: Layer.Layer<Exec>
}

/** The place that is meant. Loads its module, and reaches for nothing. */
export const parse = (name: string, tokenFile: string | undefined): Effect.Effect<Place, Failure> =>
  Effect.gen(function* () {
    const colon = name.indexOf(":")
    const [before, target] = colon < 0 ? [name, ""] : [name.slice(0, colon), name.slice(colon + 1)]
    const kind = kinds.find((kind) => kind.name === before)
    if (kind === undefined) {
      const forms = kinds.map(({ form }) => form).join(", ")
      return yield* refuse(`There is no place ${JSON.stringify(name)}; places are ${forms}`)
    }
    if (kind.form.includes(":") === (target === "")) {
      return yield* refuse(`This place is named ${kind.form}, not ${name}`)
    }
    const token = kind.owns ? yield* tokens.load(tokenFile) : undefined
    const { layer } = yield* Effect.promise(() => kind.load())
    return { name, kind, target, token, layer: yield* layer(target, token) }
  })

/** Where commands run, by what flags say, or settings. */
export const given = (where: Where): Effect.Effect<Place, Failure> =>
  Effect.flatMap(Settings.load, ({ on = "local", tokenFile }) =>
    parse(
      Option.getOrElse(where.on, () => on),
      Option.getOrElse(where.tokenFile, () => tokenFile)
    )
  )

/** As `given`, for what needs a place that owns processes. */
export const owner = (where: Where): Effect.Effect<Place, Failure> =>
  Effect.filterOrElse(
    given(where),
    ({ kind }) => kind.owns,
    ({ name }) =>
      refuse(
        `Nobody owns processes at ${name}: they end with this program. A capsule server does: start one by effect-exec serve, and name it by --on capsule:URL`
      )
  )

/** What the flags say of the place. */
export interface Where {
  readonly on: Option.Option<string>
  readonly tokenFile: Option.Option<string>
}
