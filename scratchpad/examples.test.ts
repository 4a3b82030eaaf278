/** Every program here runs, and prints what its last comment says. */
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "vitest"

const folder = import.meta.dirname
const examples = readdirSync(folder).filter((name) => /^\d\d_.*\.ts$/.test(name) && name !== "00_demo.ts")

const expected = (source: string): string => /\/\* prints\n([^]*)\*\/\n$/.exec(source)?.[1] ?? ""

const run = async (program: string, ...args: ReadonlyArray<string>): Promise<string> =>
  (await promisify(execFile)(program, args)).stdout

const hasEngine = await run("docker", "version").then(
  () => true,
  () => false
)

describe.concurrent("scratchpad", () => {
  for (const name of examples) {
    it(`${name} prints what it says`, async () => {
      const file = join(folder, name)
      assert.strictEqual(await run(process.execPath, file), expected(readFileSync(file, "utf8")))
    })
  }

  it.skipIf(!hasEngine)("60_capsule.ts prints the same in a container", async () => {
    const file = join(folder, "60_capsule.ts")
    await run("sh", join(folder, "../packages/docker/test/images.sh"), "small")
    assert.strictEqual(
      await run(process.execPath, file, "effect-exec-test/busybox:1"),
      expected(readFileSync(file, "utf8"))
    )
  })

  it.skipIf(!hasEngine)("80_anywhere.ts does the same in a container", async () => {
    const file = join(folder, "80_anywhere.ts")
    await run("sh", join(folder, "../packages/docker/test/images.sh"), "small")
    const once = "apple: 2\ncount.sh result.txt words.txt\n"
    assert.strictEqual(await run(process.execPath, file, "effect-exec-test/busybox:1"), once.repeat(3))
  })
})
