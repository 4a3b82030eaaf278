/** The law of capsules: a backend behind a wire passes what it passes without one. */
import { ExecConformance, ShFixtures } from "@effect-exec/testing"
import { LocalExec } from "@effect-exec/local"
import { CapsuleExec } from "@effect-exec/capsule"
import { inMemory, overSocket } from "./served.ts"

const capabilities = {
  tree: "exact",
  exit: "exact",
  stdin: "stream",
  tty: "real",
  user: "any",
  detach: "remote",
  pidReuse: "exact"
} as const

const unreachable = CapsuleExec.layer({ url: "ws://127.0.0.1:9" })

for (const [name, served] of [
  ["in memory", inMemory],
  ["on loopback", overSocket]
] as const) {
  ExecConformance.suite(`CapsuleExec, Server(LocalExec) ${name}`, served(LocalExec.layer), {
    capabilities,
    fixtures: ShFixtures.make(),
    unreachable
  })
}
