/** What arrives on a channel is kept until it is taken, and no longer. */
import * as Effect from "effect/Effect"
import { assert, it } from "@effect/vitest"
import { Inbox } from "../src/Inbox.ts"
import { ExtraBudget } from "../src/ReceiveWindow.ts"

it.effect("what was taken is let go of, also by a consumer that is always behind", () =>
  Effect.gen(function* () {
    const inbox = new Inbox<Uint8Array>(
      new ExtraBudget(),
      (bytes) => bytes.length,
      () => {}
    )
    const held = () => (Reflect.get(inbox, "items") as ReadonlyArray<unknown>).filter((item) => item !== undefined)
    let added = 0
    const add = () => assert.isUndefined(inbox.add(Uint8Array.of(added++ & 0xff)))
    for (let i = 0; i < 10; i++) add()
    for (let i = 0; i < 4000; i++) {
      add()
      const [bytes] = yield* inbox.pull
      assert.strictEqual(bytes[0], i & 0xff)
      assert.strictEqual(held().length, 10)
    }
    assert.isBelow((Reflect.get(inbox, "items") as ReadonlyArray<unknown>).length, 4096)
  })
)
