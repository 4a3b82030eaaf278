/** Flags, variables, the file: who wins, and what is said of what is not understood. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { LocalExec } from "@effect-exec/local"
import { directory, texts } from "./support.ts"

const configured = (toml: string) =>
  Effect.map(directory, (home) => {
    Fs.mkdirSync(Path.join(home, "effect-exec"))
    Fs.writeFileSync(Path.join(home, "effect-exec", "config.toml"), toml)
    return { XDG_CONFIG_HOME: home }
  })

layer(LocalExec.layer, { excludeTestServices: true })("settings", (it) => {
  it.effect("a flag wins over a variable, and that over the file", () =>
    Effect.gen(function* () {
      const env = yield* configured('# mine\non = "nowhere"\nmaxOutput = "3 B"\ntimeout = "5m"\n')
      const variable = { ...env, EFFECT_EXEC_ON: "local" }
      const byFile = yield* texts(["run", "echo", "hello"], { env })
      assert.match(byFile.stderr, /no place "nowhere"/)
      const byVariable = yield* texts(["run", "echo", "hello"], { env: variable })
      assert.deepStrictEqual([byVariable.stdout, byVariable.exitCode], ["hel", 125])
      const byFlag = yield* texts(["run", "--max-output", "4", "echo", "hello"], {
        env: { ...variable, EFFECT_EXEC_MAX_OUTPUT: "1" }
      })
      assert.strictEqual(byFlag.stdout, "hell")
      // An empty variable says nothing.
      const empty = yield* texts(["run", "--on", "local", "echo", "hello"], {
        env: { ...env, EFFECT_EXEC_MAX_OUTPUT: "" }
      })
      assert.strictEqual(empty.stdout, "hel")
    })
  )

  it.effect("limits that are set are run's, not stream's", () =>
    Effect.gen(function* () {
      const env = { EFFECT_EXEC_MAX_OUTPUT: "3", EFFECT_EXEC_TIMEOUT: "200ms", EFFECT_EXEC_GRACE: "100ms" }
      const script = ["sh", "-c", "trap '' TERM; sleep 0.5; echo hello"]
      assert.strictEqual((yield* texts(["run", ...script], { env })).exitCode, 124)
      assert.strictEqual((yield* texts(["stream", ...script], { env })).stdout, "hello\n")
    })
  )

  it.effect("what is not understood is refused, with its place, before anything starts", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [env: Record<string, string>, message: RegExp]> = [
        [{ EFFECT_EXEC_TIMEOUT: "soon" }, /EFFECT_EXEC_TIMEOUT: "soon" is not a duration such as 500ms/],
        [{ EFFECT_EXEC_CONFIG: "/nonexistent/config" }, /configuration \/nonexistent\/config cannot be read: ENOENT/],
        [yield* configured("on = "), /config\.toml is not TOML/],
        [yield* configured('where = "local"'), /there is no setting where; there are on, timeout, grace, maxOutput/],
        [yield* configured("timeout = true"), /config\.toml: timeout is neither a string nor a number/],
        [yield* configured('maxOutput = "lots"'), /config\.toml: maxOutput: "lots" is not a size/]
      ]
      for (const [env, message] of wrong) {
        const { exitCode, stderr, stdout } = yield* texts(["run", "echo", "ran"], { env })
        assert.deepStrictEqual([exitCode, stdout], [125, ""])
        assert.match(stderr, message)
      }
    })
  )
})
