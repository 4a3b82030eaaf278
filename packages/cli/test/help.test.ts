/** What is said to whoever asks, or types something else than was meant. */
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Command, Exec } from "effect-exec"
import { LocalExec } from "@effect-exec/local"
import { path, program, texts } from "./support.ts"

layer(LocalExec.layer, { excludeTestServices: true })("help", (it) => {
  it.effect("is the same whether it was laid out before or is now, for every verb, with examples", () =>
    Effect.gen(function* () {
      for (const verb of [[], ["run"], ["stream"], ["doctor"]]) {
        const laidOut = yield* texts([...verb, "--help"])
        // Not the last word: this one goes through the program.
        const now = yield* texts([...verb, "--help", "--log-level", "error"])
        assert.deepStrictEqual(laidOut, now)
        assert.deepStrictEqual([laidOut.exitCode, laidOut.stderr], [0, ""])
        assert.match(laidOut.stdout, /EXAMPLES\n {2}# .*\n {2}.*effect-exec /)
      }
      assert.deepStrictEqual(yield* texts(["run", "-h"]), yield* texts(["run", "--help"]))
      assert.match((yield* texts(["--version"])).stdout, /^effect-exec \d+\.\d+\.\d+\n$/)
    })
  )

  it.effect("of a command is the command's own", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* texts(["run", "printf", "%s", "--help"])).stdout, "--help")
      assert.strictEqual((yield* texts(["run", "--", "printf", "%s", "-h"])).stdout, "-h")
    })
  )

  it.effect("a word that is not known is refused with the nearest one, on standard error", () =>
    Effect.gen(function* () {
      const typos: ReadonlyArray<readonly [args: ReadonlyArray<string>, message: RegExp]> = [
        [
          ["run", "--tmeout", "5s", "--", "true"],
          /Unrecognized flag: --tmeout[^]*--timeout[^]*See effect-exec run --help/
        ],
        [["run", "--jsno", "true"], /Unrecognized flag: --jsno[^]*--json/],
        [["stram", "true"], /Unknown subcommand "stram"[^]*stream[^]*See effect-exec --help/],
        [["run"], /Missing required argument: command/]
      ]
      for (const [args, message] of typos) {
        const { exitCode, stderr, stdout } = yield* texts(args)
        assert.deepStrictEqual([exitCode, stdout], [125, ""])
        assert.match(stderr, message)
      }
    })
  )

  it.effect("completions complete verbs and flags in bash", () =>
    Effect.gen(function* () {
      const complete = (line: string) => `
        source <("$PROGRAM" --completions bash)
        COMP_WORDS=(${line}); COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); COMP_LINE='${line}'; COMP_POINT=\${#COMP_LINE}
        $(complete -p effect-exec | sed 's/.*-F \\([^ ]*\\).*/\\1/') effect-exec "\${COMP_WORDS[-1]}" ''
        printf '%s\\n' "\${COMPREPLY[@]}"`
      const bash = (line: string) =>
        Effect.map(
          Exec.run(Command.make("bash", ["-c", complete(line)], { env: { PATH: path, PROGRAM: program } })),
          ({ stderr, stdout }) => {
            assert.strictEqual(stderr, "")
            return stdout.trim().split("\n")
          }
        )
      assert.deepStrictEqual(yield* bash("effect-exec str"), ["stream"])
      assert.deepStrictEqual(yield* bash("effect-exec run --max"), ["--max-output"])
      for (const shell of ["zsh", "fish"]) {
        assert.include((yield* texts(["--completions", shell])).stdout, "doctor")
      }
    })
  )
})
