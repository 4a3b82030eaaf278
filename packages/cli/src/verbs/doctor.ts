/** `effect-exec doctor`: where commands can run from here, and if not, why. */
import { styleText } from "node:util"
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Exec from "effect-exec/Exec"
import type { ExecError } from "effect-exec/ExecError"
import { Ended, type Failure } from "../failure.ts"
import * as Flags from "../flags.ts"
import * as Json from "../json.ts"
import type { JsonEvent } from "../jsonEvent.ts"
import * as Place from "../place.ts"
import { Progress } from "../progress.ts"
import { write } from "../standardStreams.ts"

type Check = Extract<JsonEvent, { readonly type: "check" }>

const examine = (place: string, check: Effect.Effect<Place.Health, ExecError>): Effect.Effect<Check> =>
  Effect.flatMap(Progress, (progress) =>
    check.pipe(
      Effect.map((health): Check => ({ type: "check", place, works: true, ...health })),
      Effect.catch((error) =>
        Effect.succeed<Check>({ type: "check", place, works: false, summary: error.message, remarks: [] })
      ),
      progress.during(`looking at ${place}`)
    )
  )

/** What there is on this machine. */
const kinds: Effect.Effect<ReadonlyArray<Check>> = Effect.forEach(Place.kinds, ({ load, name }) =>
  Effect.flatMap(Effect.promise(load), ({ check }) =>
    check === undefined ? Effect.succeed([]) : Effect.map(examine(name, check), (it) => [it])
  )
).pipe(Effect.map((checks) => checks.flat()))

/** One place, reached in earnest: a container is started for it. */
const one = (where: Place.Where): Effect.Effect<ReadonlyArray<Check>, Failure> =>
  Effect.flatMap(Place.given(where), ({ layer, name }) => {
    const check = Exec.Exec.use((exec) => exec.capabilities).pipe(
      Effect.map(({ tree, tty }) => ({
        summary: `commands can run there (trees ${tree}, terminals ${tty})`,
        remarks: []
      })),
      Effect.provide(layer)
    )
    return Effect.map(examine(name, check), (it) => [it])
  })

const format = ({ place, remarks, summary, works }: Check): string => {
  const style = (format: Parameters<typeof styleText>[0], text: string) =>
    styleText(format, text, { stream: process.stdout })
  const mark = works ? (remarks.length === 0 ? style("green", "✔") : style("yellow", "!")) : style("red", "✘")
  return [
    `${mark} ${style("bold", place.padEnd(10))} ${summary}`,
    ...remarks.map((remark) => `${" ".repeat(13)}${remark}`),
    ""
  ].join("\n")
}

export const doctor = Verb.make("doctor", { ...Flags.where, json: Flags.json }, ({ json, ...where }) =>
  Effect.gen(function* () {
    const checks = yield* Option.isNone(where.on) ? kinds : one(where)
    yield* write("stdout", checks.map(json ? Json.line : format).join(""))
    if (checks.some(({ works }) => !works)) yield* new Ended({ exitCode: 1 })
  })
).pipe(
  Verb.withShortDescription("See where commands can run from here, and why not"),
  Verb.withDescription(
    "See where commands can run from here, why not elsewhere, and how to mend it. With --on, one place is tried in earnest. Ends with 1 when something does not work."
  ),
  Verb.withExamples([
    { command: "effect-exec doctor", description: "What works on this machine" },
    { command: "effect-exec doctor --on docker:alpine", description: "Whether a container of this image can be had" }
  ])
)
