/** What goes in and comes out: arguments, bytes, environment, and how it ended. */
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { LocalExec } from "@effect-exec/local"
import { directory, run, texts } from "./support.ts"

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

layer(LocalExec.layer, { excludeTestServices: true })("effect-exec run", (it) => {
  it.effect("passes arguments as they are, with -- before the command or without", () =>
    Effect.gen(function* () {
      const words = ["%s|", "two words", "$HOME", "it's", "", "--json", "-x", "naïve", "a\nb"]
      const expected = words.slice(1).join("|") + "|"
      assert.strictEqual((yield* run(["run", "--", "printf", ...words])).stdout, expected)
      assert.strictEqual((yield* run(["run", "--cwd", "/", "printf", ...words])).stdout, expected)
      // A -- behind the command is the command's.
      assert.strictEqual((yield* run(["run", "printf", "%s|", "--", "x"])).stdout, "--|x|")
    })
  )

  it.effect("passes output through byte by byte, each stream to its own", () =>
    Effect.gen(function* () {
      const path = Path.join(yield* directory, "bytes")
      const bytes = randomBytes(5_000_000)
      Fs.writeFileSync(path, bytes)
      const result = yield* run(["run", "--", "sh", "-c", 'cat "$0"; tac -b -s "" </dev/null; cat "$0" >&2', path])
      assert.strictEqual(sha256(result.stdoutBytes), sha256(bytes))
      assert.strictEqual(sha256(result.stderrBytes), sha256(bytes))
    })
  )

  it.effect("gives no input by default, and all of it with --stdin -", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array(randomBytes(3_000_000))
      assert.strictEqual((yield* run(["run", "cat"], { stdin: bytes })).stdout, "")
      const result = yield* run(["run", "--stdin", "-", "--", "cat"], { stdin: bytes })
      assert.strictEqual(sha256(result.stdoutBytes), sha256(bytes))
    })
  )

  it.effect("does not mind a command that does not read its input", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* texts(["run", "--stdin", "-", "--", "sh", "-c", "exit 4"], {
        stdin: new Uint8Array(3_000_000)
      })
      assert.deepStrictEqual({ exitCode, stderr }, { exitCode: 4, stderr: "" })
    })
  )

  it.effect("starts where --cwd says, with the variables of --env, --env-file and those it is given", () =>
    Effect.gen(function* () {
      const folder = yield* directory
      const file = Path.join(folder, "variables")
      Fs.writeFileSync(file, "# a comment\nFROM_FILE='two words'\nBOTH=file\n")
      const script = 'pwd; echo "$FROM_FILE,$BOTH,$HERE,$GIVEN"'
      const { stdout } = yield* run(
        ["run", "--cwd", folder, "--env-file", file, "--env", "BOTH=flag=x", "--env", "HERE", "--", "sh", "-c", script],
        { env: { HERE: "here", GIVEN: "not passed on" } }
      )
      assert.strictEqual(stdout, `${Fs.realpathSync(folder)}\ntwo words,flag=x,here,\n`)
    })
  )

  it.effect("exits as the process did", () =>
    Effect.gen(function* () {
      const codes: Readonly<Record<string, readonly [number, RegExp]>> = {
        true: [0, /^$/],
        "exit 3": [3, /^$/],
        "kill -TERM $$": [143, /^$/],
        "kill -KILL $$": [137, /^$/],
        "exec /nowhere/program": [127, /not found/]
      }
      for (const [script, [code, message]] of Object.entries(codes)) {
        const { exitCode, stderr } = yield* texts(["run", "--", "sh", "-c", script])
        assert.strictEqual(exitCode, code, script)
        assert.match(stderr, message)
      }
    })
  )

  it.effect("exits with 124 for a timeout, 125 for a failure of its own, 126 and 127 for what cannot be run", () =>
    Effect.gen(function* () {
      const folder = yield* directory
      const ends: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: number, message: RegExp]> = [
        [["--timeout", "200ms", "sleep", "60"], 124, /ended after 0\.2 s, the limit of --timeout/],
        [["--max-output", "1kB", "yes"], 125, /ended past 1000 B of output, the limit of --max-output/],
        [["--cwd", `${folder}/none`, "true"], 125, /working directory .*none does not exist/],
        [["--user", "nobody-here", "true"], 125, /no user nobody-here/],
        [["--on", "nowhere", "true"], 125, /no place "nowhere"; places are local, docker:IMAGE, container:NAME/],
        [["--on", "docker", "true"], 125, /named docker:IMAGE/],
        [["--timeout", "soon", "true"], 125, /--timeout: "soon" is not a duration such as/],
        [["--timeout", "0s", "true"], 125, /--timeout: "0s" is not a duration such as/],
        [["--max-output", "much", "true"], 125, /--max-output: "much" is not a size such as/],
        [["--stdin", "file", "cat"], 125, /--stdin takes only -/],
        [["--json", "--tty", "true"], 125, /exclude each other/],
        [["--env-file", `${folder}/none`, "true"], 125, /--env-file .*none cannot be read: ENOENT/],
        [[folder], 126, /Permission denied/],
        [["no-such-program"], 127, /Command not found: no-such-program/]
      ]
      for (const [args, code, message] of ends) {
        const { exitCode, stderr } = yield* texts(["run", ...args])
        assert.deepStrictEqual([args, exitCode], [args, code])
        assert.match(stderr, message)
      }
    })
  )

  it.effect("keeps what it is told in secret out of argv, messages and JSON", () =>
    Effect.gen(function* () {
      const folder = yield* directory
      const file = Path.join(folder, "secrets")
      Fs.writeFileSync(file, "FROM_FILE=s3cret-file\n")
      const secrets = { env: { TOKEN: Redacted.make("s3cret-token") } }
      const told = yield* run(
        ["run", "--env", "TOKEN", "--env-file", file, "--", "sh", "-c", "echo $TOKEN $FROM_FILE"],
        secrets
      )
      assert.strictEqual(told.stdout, "s3cret-token s3cret-file\n")
      for (const args of [
        ["--env", "=s3cret", "true"],
        ["--env", "TOKEN", "--env-file", file, "--", "no-such-program"],
        ["--env", "TOKEN", "--env", "A B=s3cret", "--json", "--", "no-such-program"],
        ["--env", "TOKEN", "--env", "X=\u0001s3cret", "--cwd", "/none", "true"]
      ]) {
        const { exitCode, stderr, stdout } = yield* texts(["run", ...args], secrets)
        assert.notStrictEqual(exitCode, 0)
        assert.notInclude(stdout + stderr, "s3cret")
      }
      const missing = yield* texts(["run", "--env", "NOT_SET", "true"])
      assert.deepStrictEqual(missing.exitCode, 125)
      assert.match(missing.stderr, /--env NOT_SET: no such variable is set here/)
    })
  )

  it.effect("ends what runs longer than 30 s or writes more than 10 MiB, and stream does not", () =>
    Effect.gen(function* () {
      const flood = ["--", "head", "-c", "12000000", "/dev/zero"]
      const bounded = yield* run(["run", ...flood])
      assert.deepStrictEqual([bounded.exitCode, bounded.stdoutBytes.length], [125, 10 * 1024 * 1024])
      assert.match(bounded.stderr, /ended past 10 MiB/)
      const free = yield* run(["stream", ...flood])
      assert.deepStrictEqual([free.exitCode, free.stdoutBytes.length], [0, 12_000_000])
    })
  )
})
