/**
 * Paths of 100 MB/s and 50 ms to each of these ports, in a process of their own, so that neither end carries them: `PORT …`.
 * Says where they begin, and ends with its stdin.
 */
import * as FaultProxy from "@effect-exec/testing/FaultProxy"
import * as Effect from "effect/Effect"

const far = { delay: "25 millis", rate: 100e6 } as const

const program = Effect.gen(function* () {
  const proxies = yield* Effect.forEach(process.argv.slice(2), (port) =>
    FaultProxy.make({ target: { port: Number(port) }, conditions: far })
  )
  process.stdout.write(`${JSON.stringify(proxies.map(({ port }) => port))}\n`)
  yield* Effect.callback<void>((resume) => {
    process.stdin.on("end", () => resume(Effect.void)).resume()
  })
})

await Effect.runPromise(Effect.scoped(program))
process.exit(0)
