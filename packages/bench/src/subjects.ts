/**
 * Who is measured, by name. A further variant of ours is one more line in `variants`: it gets a row of its own in every
 * table, its own targets where the `targets` of a bench name it, and `soak` and `must-show` take it with `--variant`.
 */
import { CapsuleExec } from "@effect-exec/capsule"
import { DockerExec } from "@effect-exec/docker"
import { LocalExec } from "@effect-exec/local"
import { NodeWS } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Exec } from "effect-exec"
import * as DockerCliDriver from "./dockerCliDriver.ts"
import * as DockerodeDriver from "./dockerodeDriver.ts"
import type { Driver } from "./driver.ts"
import * as EffectDriver from "./effectDriver.ts"
import * as Engine from "./engine.ts"
import * as EngineDriver from "./engineDriver.ts"
import * as ExecaDriver from "./execaDriver.ts"
import * as ExecDriver from "./execDriver.ts"
import * as Raw from "./raw.ts"
import * as RawWsDriver from "./rawWsDriver.ts"
import * as Remote from "./remote.ts"

/** Ours. `portable` has Node's own spawn beneath, `agent` the agent, where there is one for this system. */
export const variants: Readonly<Record<string, Layer.Layer<Exec.Exec>>> = {
  portable: LocalExec.layerWith({ agent: "never" }),
  agent: LocalExec.layer
}

/** Ours in containers: one of the layer's own, and one that somebody else made. */
const containers: Readonly<Record<string, Layer.Layer<Exec.Exec>>> = {
  own: DockerExec.layerContainer({ image: Engine.image }),
  foreign: Layer.unwrap(
    Effect.acquireRelease(Effect.promise(Engine.start), (id) => Effect.promise(() => Engine.remove(id))).pipe(
      Effect.map((container) => DockerExec.layer({ container }))
    )
  )
}

/** Ours, on a capsule in another process. */
const capsuleAt = (at: "capsule" | "farCapsule"): Layer.Layer<Exec.Exec> =>
  Layer.unwrap(
    Effect.map(Effect.promise(Remote.ports), (ports) => CapsuleExec.layer({ url: `ws://127.0.0.1:${ports[at]}` }))
  ).pipe(Layer.provide(NodeWS.layerWebSocketConstructor))

const capsules: Readonly<Record<string, Layer.Layer<Exec.Exec>>> = {
  capsule: capsuleAt("capsule"),
  "far capsule": capsuleAt("farCapsule")
}

/** The one that `soak` and `must-show` take when they are not told. */
export const defaultVariant = "portable"

/** Who is compared with whom. */
export interface Cast {
  /** What ours is measured against. */
  readonly base: string
  readonly ours: ReadonlyArray<string>
  /** Others that do the same, in the same run, so that a target can be judged. */
  readonly peers: ReadonlyArray<string>
}

export const local: Cast = { base: "raw", ours: Object.keys(variants), peers: ["execa", "effect"] }

/** `raw`, a local command, shows how far a container is from that. */
export const docker: Cast = { base: "engine", ours: Object.keys(containers), peers: ["dockerode", "docker CLI", "raw"] }

export const capsule: Cast = { base: "raw ws", ours: ["capsule"], peers: [] }

export const farCapsule: Cast = { base: "far raw ws", ours: ["far capsule"], peers: [] }

export const all = ({ base, ours, peers }: Cast): ReadonlyArray<string> => [base, ...ours, ...peers]

const ours = (layers: Readonly<Record<string, Layer.Layer<Exec.Exec>>>) =>
  Object.entries(layers).map(([name, layer]) => [name, ExecDriver.open(layer)] as const)

const drivers: Readonly<Record<string, () => Promise<Driver>>> = {
  raw: Raw.open,
  execa: ExecaDriver.open,
  effect: EffectDriver.open,
  engine: EngineDriver.open,
  dockerode: DockerodeDriver.open,
  "docker CLI": DockerCliDriver.open,
  "raw ws": RawWsDriver.open("raw"),
  "far raw ws": RawWsDriver.open("farRaw"),
  ...Object.fromEntries([...ours(variants), ...ours(containers), ...ours(capsules)])
}

export const open = (name: string): Promise<Driver> => {
  const driver = drivers[name]
  if (driver === undefined) throw new Error(`Nobody is called ${name}; there are ${Object.keys(drivers).join(", ")}`)
  return driver()
}
