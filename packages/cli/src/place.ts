/**
 * Where commands run: what `--on` names. Each kind of place is a module of its own, loaded when it is named.
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Exec } from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import { type Failure, refuse } from "./failure.ts"

/** What `doctor` says of a place that works. */
export interface Health {
  /** What there is, in a few words. */
  readonly summary: string
  /** What one should know all the same. */
  readonly remarks: ReadonlyArray<string>
}

/** What the module of a place gives. */
export interface PlaceModule {
  /** The layer for what stands behind the colon. */
  readonly layer: (target: string) => Layer.Layer<Exec>
  /** Whether such a place can be had on this machine; absent where another kind's check says it. */
  readonly check?: Effect.Effect<Health, ExecError>
}

/** A kind of place. */
export interface Kind {
  readonly name: string
  /** How one is named: `docker:IMAGE`. */
  readonly form: string
  readonly about: string
  readonly load: () => Promise<PlaceModule>
}

/** All kinds of places. */
export const kinds: ReadonlyArray<Kind> = [
  { name: "local", form: "local", about: "this machine", load: () => import("./places/local.ts") },
  {
    name: "docker",
    form: "docker:IMAGE",
    about: "a new container, gone afterwards",
    load: () => import("./places/docker.ts")
  },
  {
    name: "container",
    form: "container:NAME",
    about: "a container that runs",
    load: () => import("./places/container.ts")
  }
]

/** A place, named but not yet reached. */
export interface Place {
  /** As it was named. */
  readonly name: string
  readonly layer: Layer.Layer<Exec>
}

/** The place that is meant. Loads its module, and reaches for nothing. */
export const parse = (name: string): Effect.Effect<Place, Failure> => {
  const colon = name.indexOf(":")
  const [before, target] = colon < 0 ? [name, ""] : [name.slice(0, colon), name.slice(colon + 1)]
  const kind = kinds.find((kind) => kind.name === before)
  const forms = kinds.map(({ form }) => form).join(", ")
  if (kind === undefined) return refuse(`There is no place ${JSON.stringify(name)}; places are ${forms}`)
  if (kind.form.includes(":") === (target === "")) return refuse(`This place is named ${kind.form}, not ${name}`)
  return Effect.map(
    Effect.promise(() => kind.load()),
    ({ layer }) => ({ name, layer: layer(target) })
  )
}
