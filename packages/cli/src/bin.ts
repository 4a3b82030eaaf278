/**
 * Starts the program, as fast as it can.
 */
import * as Fs from "node:fs"
import * as Module from "node:module"

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 19)) {
  process.stderr.write(`effect-exec: needs Node 22.19 or newer; this is ${process.version}\n`)
  process.exit(125)
}

/** The help that the build has laid out, in plain text and in colour, by all words that ask for it. */
const help = (): readonly [plain: string, coloured: string] | undefined => {
  const words = process.argv.slice(2)
  if (!["--help", "-h"].includes(words.at(-1) ?? "")) return undefined
  try {
    return JSON.parse(Fs.readFileSync(new URL("help.json", import.meta.url), "utf8"))[words.join(" ")]
  } catch {
    // Run from its sources.
    return undefined
  }
}

const texts = help()
if (texts === undefined) {
  // A third of the time to start would else be spent on compiling again what has been compiled before.
  Module.enableCompileCache()
  await import("./main.ts")
} else {
  process.stdout.on("error", () => {})
  process.stdout.write(texts[process.stdout.isTTY && process.stdout.hasColors() ? 1 : 0])
}
