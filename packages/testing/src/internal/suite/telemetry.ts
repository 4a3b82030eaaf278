/**
 * C64: what is seen from outside, and what is not.
 */
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import * as Tracer from "effect/Tracer"
import { assert } from "@effect/vitest"
import { type Chapter, testOf } from "./case.ts"
import { eventually } from "./facts.ts"

/** Keeps every span and everything that is logged. */
const recorder = () => {
  const spans: Array<Tracer.NativeSpan> = []
  const logs: Array<string> = []
  const tracer = Tracer.make({
    span(options) {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const logger = Logger.make((options) => logs.push(JSON.stringify([options.message, String(options.cause)])))
  return {
    spans,
    of: (name: string) => spans.filter((span) => span.name === name),
    text: () =>
      JSON.stringify([spans.map(({ name, attributes, events }) => [name, [...attributes], events.map(String)]), logs]),
    record: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      effect.pipe(
        Effect.withTracer(tracer),
        Effect.provide(Logger.layer([logger])),
        Effect.provideService(References.MinimumLogLevel, "All")
      )
  }
}

/** C64: spans. */
export const telemetry: Chapter = (target) => {
  const test = testOf(target)
  const { fixtures } = target
  const program = fixtures.exit(3).argv[0]
  return [
    test("C64 run, stream, detach and kill each have a span that tells program, pid, exit code and backend", ({
      exec
    }) =>
      Effect.gen(function* () {
        const { of, record } = recorder()
        const result = yield* record(exec.run(fixtures.exit(3)))
        yield* record(Stream.runDrain(exec.stream(fixtures.exit(4))))
        const process = yield* record(exec.detach(fixtures.hang))
        yield* record(exec.kill(process.id, { signal: "SIGKILL" }))
        yield* process.wait()
        const one = (name: string) => {
          const [span, ...more] = of(name)
          assert.strictEqual(more.length, 0, `spans called ${name}`)
          assert.strictEqual(span?.status._tag, "Ended", name)
          return Object.fromEntries(span!.attributes)
        }
        const run = one("Exec.run")
        assert.strictEqual(run["process.executable.name"], program)
        assert.strictEqual(run["process.pid"], result.pid)
        assert.strictEqual(run["process.exit.code"], 3)
        assert.isString(run["exec.backend"])
        const stream = one("Exec.stream")
        assert.strictEqual(stream["process.executable.name"], program)
        assert.isNumber(stream["process.pid"])
        assert.strictEqual(stream["process.exit.code"], 4)
        const detach = one("Exec.detach")
        assert.strictEqual(detach["process.executable.name"], fixtures.hang.argv[0])
        assert.strictEqual(detach["process.pid"], process.pid)
        assert.strictEqual(one("Exec.kill")["process.pid"], process.pid)
      })),
    test("C64 no argument and no env value is recorded or logged", ({ exec }) =>
      Effect.gen(function* () {
        const { record, text, spans } = recorder()
        const secret = "tell-nobody"
        const env = { EFFECT_EXEC_VALUE: secret, EFFECT_EXEC_SECRET: Redacted.make(secret) }
        const command = { ...fixtures.echo([secret]), env }
        yield* record(exec.run(command))
        yield* record(Stream.runDrain(exec.stream(command)))
        const process = yield* record(exec.detach(command))
        yield* process.wait()
        yield* record(exec.kill(process.id))
        yield* record(Effect.ignore(exec.run({ ...command, argv: ["effect-exec-no-such-program", secret] })))
        yield* record(Effect.ignore(exec.run({ ...command, argv: ["x", `${secret}\0`] })))
        assert.isAbove(spans.length, 4)
        assert.notInclude(text(), secret)
      })),
    test("C64 the span of an interrupted run ends too", ({ exec }) =>
      Effect.gen(function* () {
        const { of, record } = recorder()
        yield* Effect.timeoutOption(record(exec.run(fixtures.hang)), 200)
        yield* eventually(
          "the span has ended",
          Effect.sync(() => of("Exec.run").every(({ status }) => status._tag === "Ended"))
        )
        assert.strictEqual(of("Exec.run").length, 1)
      }))
  ]
}
