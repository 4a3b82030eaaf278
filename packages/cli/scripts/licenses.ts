/** The licenses of what others wrote and is a part of the program now. */
import * as Fs from "node:fs"
import { dirname, join } from "node:path"

// The folder of the package that a module belongs to.
const folderOf = (module: string): string | undefined => {
  for (let folder = dirname(module); folder !== dirname(folder); folder = dirname(folder)) {
    if (Fs.existsSync(join(folder, "package.json")) && nameOf(folder) !== undefined) return folder
  }
  return undefined
}

const read = (folder: string) =>
  JSON.parse(Fs.readFileSync(join(folder, "package.json"), "utf8")) as {
    readonly name?: string
    readonly version?: string
    readonly license?: string
  }

const nameOf = (folder: string) => read(folder).name

/** A text with the license of every package that one of the modules belongs to. Fails where one does not say its own. */
export const of = (modules: ReadonlyArray<string>): string => {
  const folders = new Set(
    modules.filter((module) => module.includes("/node_modules/")).map((module) => folderOf(module) ?? module)
  )
  return [...folders]
    .toSorted()
    .map((folder) => {
      const { license, name, version } = read(folder)
      const file = Fs.readdirSync(folder).find((file) => /^licen[cs]e/i.test(file))
      if (license === undefined) throw new Error(`${name} does not say its license`)
      const text = file === undefined ? "" : `\n${Fs.readFileSync(join(folder, file), "utf8").trim()}\n`
      return `${name} ${version} (${license})\n${text}`
    })
    .join(`\n${"-".repeat(80)}\n\n`)
}
