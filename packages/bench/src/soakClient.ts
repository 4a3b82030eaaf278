/**
 * A client that has something attached and something detached at a server, says so, and waits to be killed:
 * `node src/soakClient.ts URL MARK`.
 */
import * as Effect from "effect/Effect"
import { Capsule, CapsuleClient } from "@effect-exec/capsule"
import * as Trees from "./trees.ts"

const [url = "", mark = ""] = process.argv.slice(2)
const tree = (name: string): Trees.Tree => Trees.trees.find((tree) => tree.name === name)!

const program = Effect.gen(function* () {
  const { exec } = yield* Capsule.make({ template: "local" })
  yield* exec.spawn(Trees.command(tree("grandchildren"), mark))
  const detached = yield* exec.detach(Trees.command(tree("talks"), mark), { timeout: "3 seconds" })
  process.send?.(detached.pid)
  yield* Effect.never
})

await Effect.runPromise(Effect.scoped(Effect.provide(program, CapsuleClient.layer({ url }))))
