/** The help of every verb, laid out beforehand: to load what lays it out takes longer than all else. */
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Verb from "effect/cli/Command"
import type { HelpDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import { cli, config } from "../src/cli.ts"
import { formatter } from "../src/presenter.ts"
import * as Services from "../src/services.ts"

type Texts = readonly [plain: string, coloured: string]

const helpOf = (path: ReadonlyArray<string>): Promise<Texts> =>
  new Promise((resolve) => {
    const lay = (doc: HelpDoc, colors: boolean) => `${formatter(colors).formatHelpDoc(doc)}\n`
    const present: CliOutput.Presenter["present"] = (event) =>
      Effect.sync(() => "helpDoc" in event && resolve([lay(event.helpDoc, false), lay(event.helpDoc, true)]))
    Verb.runWith(cli, { version: "" })([...path, "--help"]).pipe(
      Effect.provideService(CliConfig.CliConfig, config),
      Effect.provideService(CliOutput.Presenter, { present }),
      Effect.provide(Services.layer),
      Effect.runPromise
    )
  })

const pathsOf = (verb: Verb.Command.Any, path: ReadonlyArray<string>): ReadonlyArray<ReadonlyArray<string>> => [
  path,
  ...verb.subcommands.flatMap(({ commands }) => commands.flatMap((sub) => pathsOf(sub, [...path, sub.name])))
]

/** By all words that ask for it. */
export const all = async (): Promise<Readonly<Record<string, Texts>>> => {
  const texts = pathsOf(cli, []).map(async (path) => {
    const text = await helpOf(path)
    return ["--help", "-h"].map((flag) => [[...path, flag].join(" "), text] as const)
  })
  return Object.fromEntries((await Promise.all(texts)).flat())
}
