/**
 * Builds `dist`: all of the program but what is loaded when it is needed in one file, because every file costs a
 * millisecond when it starts; its help, laid out; the agents; and the licenses of what others wrote.
 */
import * as Fs from "node:fs"
import { join } from "node:path"
import { build } from "rolldown"
import * as Help from "./help.ts"
import * as Licenses from "./licenses.ts"
import { always, lazySegmenter, ownAgents, withoutUnused } from "./plugins.ts"

const root = join(import.meta.dirname, "..")
const dist = join(root, "dist")

const { output } = await build({
  cwd: root,
  input: { bin: "src/bin.ts" },
  platform: "node",
  preserveEntrySignatures: "allow-extension",
  // The agents are no code; the others would make sockets faster, where somebody has installed them.
  external: [/^@effect-exec\/cli\/agents\//, "bufferutil", "utf-8-validate"],
  plugins: [lazySegmenter, ownAgents, withoutUnused],
  output: {
    dir: dist,
    format: "esm",
    minify: true,
    cleanDir: true,
    chunkFileNames: "[name].js",
    // What is always needed is one file, also where what is loaded later shares it.
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [{ name: always(join(root, "src/main.ts")), debugName: "main" }]
    }
  }
})

// Node takes --env-file for its own, wherever it stands, but behind --, which no plain #! line can say everywhere. So a
// shell reads these two lines and leaves all to Node, for which they are a comment and a string.
const head = '#!/usr/bin/env sh\n":" //; exec node -- "$0" "$@"\n'
const bin = join(dist, "bin.js")
Fs.writeFileSync(bin, head + Fs.readFileSync(bin, "utf8"))
Fs.chmodSync(bin, 0o755)

Fs.mkdirSync(join(dist, "agents"))
for (const agent of Fs.globSync(join(root, "..", "agent", "bin", "agent-*"))) {
  Fs.copyFileSync(agent, join(dist, "agents", agent.slice(agent.lastIndexOf("/") + 1)))
}

const modules = output.flatMap((chunk) => (chunk.type === "chunk" ? chunk.moduleIds : []))
Fs.writeFileSync(join(dist, "LICENSES.txt"), Licenses.of(modules))

Fs.writeFileSync(join(dist, "help.json"), JSON.stringify(await Help.all()))
