/** What every backend has to do, on this machine. */
import { ExecConformance, ShFixtures } from "@effect-exec/testing"
import * as LocalExec from "../src/LocalExec.ts"

ExecConformance.suite("LocalExec", LocalExec.layer, {
  capabilities: {
    tree: "group+descent",
    exit: "exact",
    stdin: "stream",
    tty: "none",
    user: process.getuid?.() === 0 ? "any" : "none",
    detach: "layer",
    pidReuse: "checked"
  },
  fixtures: ShFixtures.make()
})
