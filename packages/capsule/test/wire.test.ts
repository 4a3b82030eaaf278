/** Text frames: every message survives, and nothing else is taken for one. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assert, describe, it } from "@effect/vitest"
import * as Wire from "../src/Wire.ts"

interface Kind {
  readonly name: string
  readonly schema: Schema.Codec<unknown, unknown>
  readonly json: { readonly encode: (message: never) => string; readonly decode: (text: string) => unknown }
}

const kinds: ReadonlyArray<Kind> = [
  { name: "Hello", schema: Wire.Hello, json: Wire.hello },
  { name: "Welcome", schema: Wire.Welcome, json: Wire.welcome },
  { name: "what a client says", schema: Wire.ClientMessage, json: Wire.clientMessage },
  { name: "what a server says", schema: Wire.ServerMessage, json: Wire.serverMessage }
]

describe("Wire", () => {
  for (const { json, name, schema } of kinds) {
    const encode = (message: unknown) => json.encode(message as never)

    it.effect.prop(`${name} survives`, [schema], ([message]) =>
      Effect.sync(() => {
        const text = encode(message)
        const back = json.decode(text)
        assert.isDefined(back)
        // Compared as text: a duration has more than one form in memory, and text is what crosses.
        assert.strictEqual(encode(back), text)
      })
    )

    it.effect.prop(`any text is ${name}, or refused`, [Schema.String], ([text]) =>
      Effect.sync(() => assert.isUndefined(json.decode(text)))
    )

    it.effect.prop(
      `${name}, cut short or with a letter changed, is refused or still a message`,
      [schema, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 400 }))],
      ([message, at]) =>
        Effect.sync(() => {
          const text = encode(message)
          if (at < text.length) assert.isUndefined(json.decode(text.slice(0, at)))
          json.decode(text.slice(0, at) + "}" + text.slice(at + 1))
        })
    )
  }

  it("takes the examples of PROTOCOL.md, and members that it does not know", () => {
    const start = `{"_tag":"Start","channel":1,"id":"p0","command":{"argv":["make","all"],"env":{"CC":"clang","X":null},"cwd":"/src"},
      "stdin":"none","policy":{"timeout":30000,"grace":2000,"killDeadline":"Infinity","maxOutput":10485760,"lingering":"kill"},
      "credit":262144,"later":true}`
    assert.isDefined(Wire.clientMessage.decode(start))
    assert.isUndefined(Wire.clientMessage.decode(start.replace('"p0"', '"7"')))
    assert.isUndefined(Wire.clientMessage.decode(start.replace("Start", "Later")))
  })
})
