/**
 * Every example in a docstring or a README is type-checked and run: what follows `// =>` is what the expression
 * before it gives. A fence that says `ts check` is only type-checked, for what needs more than this machine has.
 */
import { spawnSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join, relative } from "node:path"
import { assert, describe, it } from "vitest"

const root = join(import.meta.dirname, "..")
const out = join(import.meta.dirname, ".docs")

interface Example {
  readonly place: string
  readonly runs: boolean
  readonly code: string
}

const uncomment = (source: string): string => source.replace(/^ *\* ?/gm, "")

const examplesOf = (path: string): ReadonlyArray<Example> => {
  const source = readFileSync(path, "utf8")
  const texts = path.endsWith(".md")
    ? [source]
    : Array.from(source.matchAll(/^ *\/\*\*[^]*?\*\//gm), ([comment]) => uncomment(comment))
  return texts
    .flatMap((text) => Array.from(text.matchAll(/^```ts( check)?\n([^]*?)^```/gm)))
    .map(([, check, code], index) => ({
      place: `${relative(root, path)} #${index + 1}`,
      runs: check === undefined,
      code: code!
    }))
}

const asserted = (code: string): string =>
  `import { assert as check } from "vitest"\n${code.replace(/^(.+?) *\/\/ => (.+)$/gm, "check.deepStrictEqual($1, $2)")}`

const examples = globSync(["README.md", "packages/*/README.md", "packages/*/src/**/*.ts"], { cwd: root })
  .toSorted()
  .flatMap((path) => examplesOf(join(root, path)))
  .map((example) => ({ ...example, file: join(out, `${example.place.replaceAll(/[^A-Za-z0-9]+/g, "_")}.ts`) }))

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
for (const { code, file } of examples) writeFileSync(file, asserted(code))
writeFileSync(
  join(out, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.json",
    include: ["*.ts"],
    references: [],
    compilerOptions: {
      composite: false,
      incremental: false,
      noUnusedLocals: false,
      declaration: false,
      declarationMap: false
    }
  })
)

describe("docs", () => {
  it("type-check", () => {
    const { stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", out], { encoding: "utf8" })
    assert.strictEqual(stdout, "")
  })
  it.each(examples.filter(({ runs }) => runs))("$place", ({ file }) => import(file))
})
