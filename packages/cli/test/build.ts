/** What is tested is what is published: built once, before all tests. */
import { execFileSync } from "node:child_process"
import * as Path from "node:path"

export const setup = () => {
  execFileSync(process.execPath, [Path.join(import.meta.dirname, "..", "scripts", "build.ts")], { stdio: "inherit" })
}
