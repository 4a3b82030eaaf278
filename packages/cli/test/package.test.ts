/** What is published: one package that needs no other, and starts with little. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Command, Exec } from "effect-exec"
import { LocalExec } from "@effect-exec/local"
import { directory, path, program } from "./support.ts"

const dist = Path.dirname(program)
const folder = Path.dirname(dist)

layer(LocalExec.layer, { excludeTestServices: true })("the package", (it) => {
  it.effect("runs by itself, by its own agent, started by the name that package managers link", () =>
    Effect.gen(function* () {
      const { bin, dependencies, files } = JSON.parse(Fs.readFileSync(Path.join(folder, "package.json"), "utf8"))
      assert.deepStrictEqual([dependencies, files], [undefined, ["dist"]])
      const modules = Path.join(yield* directory, "node_modules")
      const installed = Path.join(modules, "@effect-exec", "cli")
      Fs.mkdirSync(installed, { recursive: true })
      Fs.mkdirSync(Path.join(modules, ".bin"))
      Fs.copyFileSync(Path.join(folder, "package.json"), Path.join(installed, "package.json"))
      Fs.cpSync(dist, Path.join(installed, "dist"), { recursive: true })
      const link = Path.join(modules, ".bin", "effect-exec")
      Fs.symlinkSync(Path.join(installed, bin["effect-exec"]), link)
      const run = (...args: ReadonlyArray<string>) => Exec.run(Command.make(link, args, { env: { PATH: path } }))
      assert.match((yield* run("doctor", "--on", "local")).stdout, /trees exact/)
      assert.strictEqual((yield* run("run", "echo", "hi")).stdout, "hi\n")
    })
  )

  it("says what it needs where Node is too old", () => {
    // What is started is plain enough for any Node that reads modules.
    assert.match(Fs.readFileSync(program, "utf8"), /needs Node 22\.19 or newer/)
    assert.isBelow(Fs.statSync(program).size, 2000)
  })

  it("names what others wrote of it, and under which licenses", () => {
    const licenses = Fs.readFileSync(Path.join(dist, "LICENSES.txt"), "utf8")
    for (const name of ["effect", "dockerode", "docker-modem"]) assert.match(licenses, new RegExp(`^${name} \\d`, "m"))
  })

  it("loads what a place needs when that is named", () => {
    const main = Fs.readFileSync(Path.join(dist, "main.js"), "utf8")
    assert.match(main, /import\(`\.\/local\.js`\)/)
    assert.notMatch(main, /from"\.\/(local|docker|container|Agent)\w*\.js"/)
  })
})
