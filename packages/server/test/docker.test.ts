/** A capsule in front of a container: the part of the contract where two hops could differ from one. */
import { describe } from "@effect/vitest"
import { DockerExec } from "@effect-exec/docker"
import { ExecConformance } from "@effect-exec/testing"
import { available, images, shFixtures } from "../../docker/test/engine.ts"
import { overSocket } from "./served.ts"

// How things start and fail to, stdin, limits, what is exact, backpressure, rings, finding again, kills, terminals.
const representative = new Set("C0 C1 C3 C6 C8 C9 C12 C13 C14 C15 C16 C21 C23 C24 C36 C37 C41 C42 C44 C50".split(" "))

describe.runIf(available)("Docker", () => {
  ExecConformance.suite(
    "CapsuleExec, Server(DockerExec)",
    overSocket(DockerExec.layerContainer({ image: images.busybox })),
    {
      capabilities: {
        tree: "exact",
        exit: "exact",
        stdin: "stream",
        tty: "real",
        user: "any",
        detach: "remote",
        pidReuse: "exact"
      },
      fixtures: shFixtures(),
      // C9 weighs this process, which here is client, server and the engine's client at once; behind LocalExec it passes.
      skip: (title) => !representative.has(title.slice(0, title.indexOf(" "))) || title.includes("64 MiB"),
      layerTimeout: "1 minute"
    }
  )
})
