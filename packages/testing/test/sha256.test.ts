import { createHash, randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Sha256 from "../src/internal/sha256.ts"

describe("sha256", () => {
  it("is what Node computes, however the bytes are split", () => {
    for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 100_003]) {
      const bytes = randomBytes(size)
      for (const step of [1, 7, 64, 1000, 1_000_000]) {
        if (size / step > 2000) continue
        const hash = Sha256.make()
        for (let at = 0; at < size; at += step) hash.update(bytes.subarray(at, at + step))
        assert.strictEqual(hash.digest(), createHash("sha256").update(bytes).digest("hex"))
      }
    }
  })
})
