/** The docker CLI, as a child process. */
import type { Argv, Driver } from "./driver.ts"
import * as Engine from "./engine.ts"
import * as Raw from "./raw.ts"

export const open = async (): Promise<Driver> => {
  const [raw, container] = [await Raw.open(), await Engine.start()]
  const inside = (argv: Argv): Argv => ["docker", "-H", `unix://${Engine.socketPath}`, "exec", container, ...argv]
  return {
    run: (argv) => raw.run(inside(argv)),
    count: (argv) => raw.count(inside(argv)),
    close: () => Engine.remove(container)
  }
}
