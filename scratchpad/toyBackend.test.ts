/** The toy backend of packages/testing/README.md, as it stands there: it passes the whole suite. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { describe } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import type { Exec, ExecError } from "effect-exec"
import { ExecConformance, ShFixtures } from "@effect-exec/testing"

const root = join(import.meta.dirname, "..")
const readme = readFileSync(join(root, "packages/testing/README.md"), "utf8")
const [, code] = /^```ts check\n(\/\/ toyBackend\.ts[^]*?)^```/m.exec(readme) ?? []
if (code === undefined) throw new Error("the toy backend is not in the README any more")
const folder = join(import.meta.dirname, ".toy")
mkdirSync(folder, { recursive: true })
writeFileSync(join(folder, "toyBackend.ts"), code)

interface Toy {
  readonly layer: (argv: readonly [string, ...ReadonlyArray<string>]) => Layer.Layer<Exec.Exec, ExecError.ExecError>
}
const toy = (await import(join(folder, "toyBackend.ts"))) as Toy

const isLinux = process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64")

describe.runIf(isLinux)("the README's toy", () => {
  const agent = createRequire(import.meta.url).resolve(`@effect-exec/agent/bin/agent-linux-${process.arch}`)
  ExecConformance.suite("backend", toy.layer([agent]), {
    capabilities: {
      tree: "exact",
      exit: "exact",
      stdin: "stream",
      tty: "real",
      user: process.getuid?.() === 0 ? "any" : "none",
      detach: "layer",
      pidReuse: "exact"
    },
    fixtures: ShFixtures.make(),
    sibling: toy.layer([agent])
  })
})
