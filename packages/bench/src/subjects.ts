/**
 * Who is measured, by name. A further variant of ours is one more line in `variants`: it gets a row of its own in every
 * table, its own targets where the `targets` of a bench name it, and `soak` and `must-show` take it with `--variant`.
 */
import { LocalExec } from "@effect-exec/local"
import type * as Layer from "effect/Layer"
import type { Exec } from "effect-exec"
import type { Driver } from "./driver.ts"
import * as EffectDriver from "./effectDriver.ts"
import * as ExecaDriver from "./execaDriver.ts"
import * as ExecDriver from "./execDriver.ts"
import * as Raw from "./raw.ts"

/** Ours. `portable` has Node's own spawn beneath, `agent` the agent, where there is one for this system. */
export const variants: Readonly<Record<string, Layer.Layer<Exec.Exec>>> = {
  portable: LocalExec.layerWith({ agent: "never" }),
  agent: LocalExec.layer
}

/** The one that `soak` and `must-show` take when they are not told. */
export const defaultVariant = "portable"

/** What ours is measured against. */
export const base = "raw"

/** Others that do the same, in the same run, so that a target can be judged. */
export const peers: ReadonlyArray<string> = ["execa", "effect"]

export const ours: ReadonlyArray<string> = Object.keys(variants)

export const all: ReadonlyArray<string> = [base, ...ours, ...peers]

const drivers: Readonly<Record<string, () => Promise<Driver>>> = {
  [base]: Raw.open,
  execa: ExecaDriver.open,
  effect: EffectDriver.open,
  ...Object.fromEntries(Object.entries(variants).map(([name, layer]) => [name, ExecDriver.open(layer)]))
}

export const open = (name: string): Promise<Driver> => {
  const driver = drivers[name]
  if (driver === undefined) throw new Error(`Nobody is called ${name}; there are ${all.join(", ")}`)
  return driver()
}
