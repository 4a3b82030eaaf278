/**
 * C61: a connection that is cut goes on with exact bytes.
 *
 * `EFFECT_EXEC_CUTS=1000 pnpm test --project server test/cuts.test.ts` cuts that often, and prints figures.
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { assert, it } from "@effect/vitest"
import { NodeWS } from "@effect/platform-node"
import { LocalExec } from "@effect-exec/local"
import { ShFixtures } from "@effect-exec/testing"
import * as FaultProxy from "@effect-exec/testing/FaultProxy"
import { CapsuleExec } from "@effect-exec/capsule"
import type { Connect } from "@effect-exec/capsule/Connection"
import * as Exec from "effect-exec/Exec"
import * as ExecLayer from "effect-exec/ExecLayer"
import * as CapsuleServer from "../src/CapsuleServer.ts"
import { randomOf, work } from "./workload.ts"

const cuts = Number(process.env["EFFECT_EXEC_CUTS"] ?? 60)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(Path.join(tmpdir(), "effect-exec-cuts-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true }))
)

// Notes how long nothing came: from the end of a socket to the first frame over the next one.
const timed =
  (connect: Connect, outages: Array<number>): Connect =>
  (receiver) => {
    return connect({
      frame: (frame) => {
        if (lostAt !== undefined) outages.push(performance.now() - lostAt)
        lostAt = undefined
        receiver.frame(frame)
      },
      closed: (code, reason) => {
        lostAt ??= performance.now()
        receiver.closed(code, reason)
      }
    })
  }
let lostAt: number | undefined

it.live(
  `C61 ${cuts} cuts under load: no byte lost or doubled either way, nothing started twice, nothing left`,
  () =>
    Effect.gen(function* () {
      const seed = Number(process.env["EFFECT_EXEC_SEED"] ?? Date.now() % 1_000_000)
      const random = randomOf(seed)
      const local = yield* Layer.build(LocalExec.layer)
      const { port } = yield* Effect.provide(CapsuleServer.make(), local)
      const proxy = yield* FaultProxy.make({ target: { port }, seed: String(seed) })
      const outages: Array<number> = []
      const connect = yield* Effect.provide(
        CapsuleExec.connect(`ws://${proxy.host}:${proxy.port}`),
        NodeWS.layerWebSocketConstructor
      )
      // A cut may strike the very greeting of a new session: nothing has started then, and it is tried again.
      const client = ExecLayer.retry()(CapsuleExec.layerConnection({ connect: timed(connect, outages) }))
      const path = yield* folder

      let done = 0
      const working = yield* work(path, seed, () => done < cuts).pipe(Effect.provide(client), Effect.forkScoped)
      while (done < cuts && working.pollUnsafe() === undefined) {
        yield* Effect.sleep(20 + random(60))
        done += yield* proxy.cut(random(2) === 0 ? "reset" : "end")
      }
      const checked = yield* Fiber.join(working)
      const { toClient, toServer } = yield* proxy.counters
      outages.sort((a, b) => a - b)
      const at = (share: number) => `${outages[Math.floor((outages.length - 1) * share)]?.toFixed(1)} ms`
      console.log(
        `seed ${seed}: ${done} cuts, ${JSON.stringify(checked)}, on the wire ${toServer} up, ${toClient} down; outages p50 ${at(0.5)}, p99 ${at(0.99)}, longest ${at(1)}`
      )
      const alive = yield* Effect.provide(Exec.run(ShFixtures.make().survivors(`EFFECT_EXEC_CUTS_TEST=${path}`)), local)
      assert.strictEqual(alive.stdout, "")
    }),
  { timeout: 30_000 + cuts * 1_000 }
)
