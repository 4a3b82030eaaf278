/** Every program here runs, and prints what its last comment says. */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const folder = import.meta.dirname
const examples = readdirSync(folder).filter((name) => /^\d\d_.*\.ts$/.test(name) && name !== "00_demo.ts")

const expected = (source: string): string => /\/\* prints\n([^]*)\*\/\n$/.exec(source)?.[1] ?? ""

describe.concurrent("scratchpad", () => {
  for (const name of examples) {
    it(`${name} prints what it says`, async () => {
      const file = join(folder, name)
      const { stdout } = await promisify(execFile)(process.execPath, [file])
      assert.strictEqual(stdout, expected(readFileSync(file, "utf8")))
    })
  }
})
