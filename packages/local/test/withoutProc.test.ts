/** A system that has no `/proc`, as macOS: the group is all that can be seen. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Command } from "effect-exec"
import { vi } from "vitest"
import * as LocalExec from "../src/LocalExec.ts"
import { readUntil, request } from "./support.ts"

vi.mock("../src/internal/procfs.ts", () => ({
  available: false,
  snapshot: () => Promise.resolve(undefined),
  read: () => undefined,
  readText: () => undefined
}))

it.live("the tree is the group, and is ended and verified by it", () =>
  Effect.gen(function* () {
    const backend = yield* LocalExec.backend({ agent: "never" })
    const { tree, pidReuse } = yield* backend.capabilities
    assert.deepStrictEqual({ tree, pidReuse }, { tree: "group", pidReuse: "none" })
    const spawn = backend.spawn(
      request(Command.shell("trap '' TERM; echo READY; while :; do read x < /dev/null; done"))
    )
    const running = yield* spawn
    yield* readUntil(running, /READY/)
    yield* running.signal("SIGTERM", "tree")
    yield* running.signal("SIGKILL", "tree")
    assert.deepStrictEqual(yield* running.exited, { _tag: "Signaled", signal: "SIGKILL" })
    yield* running.treeEmpty
    yield* Effect.scoped(spawn)
  })
)
