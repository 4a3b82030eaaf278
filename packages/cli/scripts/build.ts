/**
 * Builds `dist`: all of the program but what is loaded when it is needed in one file, because every file costs a
 * millisecond when it starts; and its help, laid out.
 */
import * as Fs from "node:fs"
import { join } from "node:path"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import type { HelpDoc } from "effect/cli/HelpDoc"
import * as Verb from "effect/cli/Command"
import * as Effect from "effect/Effect"
import { build, type Plugin } from "rolldown"
import { cli, config } from "../src/cli.ts"
import { formatter } from "../src/presenter.ts"
import * as Services from "../src/services.ts"

const root = join(import.meta.dirname, "..")
const dist = join(root, "dist")

// Of all that is loaded the line that takes longest, 10 ms; and help alone is laid out with what it makes.
const lazySegmenter: Plugin = {
  name: "lazy-segmenter",
  transform: {
    filter: { id: /effect\/dist\/cli\/CliOutput\.js$/ },
    handler(code) {
      const changed = code
        .replace(
          /const graphemeSegmenter = (.*?\);?\n)/s,
          "let segmenter\nconst graphemeSegmenter = () => segmenter ??= $1"
        )
        .replace("graphemeSegmenter.segment(", "graphemeSegmenter().segment(")
      if (!changed.includes("graphemeSegmenter()")) this.error("effect/cli makes its segmenter in another way now")
      return changed
    }
  }
}

const helpOf = (path: ReadonlyArray<string>): Promise<readonly [plain: string, coloured: string]> =>
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

await build({
  cwd: root,
  input: { bin: "src/bin.ts" },
  platform: "node",
  // The one is large and loaded when it is needed, the other is no code.
  external: ["dockerode", /^@effect-exec\/agent\/bin\//],
  plugins: [lazySegmenter],
  output: { dir: dist, format: "esm", minify: true, cleanDir: true, chunkFileNames: "[name].js" }
})

const paths = [[], ...cli.subcommands.flatMap(({ commands }) => commands.map(({ name }) => [name]))]
// Node takes --env-file for its own, wherever it stands, but behind --, which no plain #! line can say everywhere. So a
// shell reads these two lines and leaves all to Node, for which they are a comment and a string.
const head = '#!/usr/bin/env sh\n":" //; exec node -- "$0" "$@"\n'
const bin = join(dist, "bin.js")
Fs.writeFileSync(bin, head + Fs.readFileSync(bin, "utf8"))
Fs.chmodSync(bin, 0o755)

const texts = paths.map(async (path) => {
  const text = await helpOf(path)
  return ["--help", "-h"].map((flag) => [[...path, flag].join(" "), text])
})
Fs.writeFileSync(join(dist, "help.json"), JSON.stringify(Object.fromEntries((await Promise.all(texts)).flat())))
