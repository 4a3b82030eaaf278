/** Against a capsule server: what lives on, who finds it again, files, and capsules of templates. */
import { createHash, randomBytes } from "node:crypto"
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { LocalExec } from "@effect-exec/local"
import { serve } from "./server.ts"
import {
  directory,
  events,
  finish,
  mark,
  noSurvivors,
  path,
  program,
  readUntil,
  run,
  start,
  survivors,
  texts
} from "./support.ts"
import * as Tmux from "./tmux.ts"

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex")

layer(LocalExec.layer, { excludeTestServices: true })("effect-exec --on capsule:URL", (it) => {
  it.effect("runs commands as everywhere: bytes, exit codes, Ctrl-C", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const bytes = new Uint8Array(randomBytes(2_000_000))
      const echoed = yield* run(["run", "--stdin", "-", "--", "cat"], { env, stdin: bytes })
      assert.strictEqual(sha256(echoed.stdoutBytes), sha256(bytes))
      for (const [args, code] of [
        [["sh", "-c", "exit 3"], 3],
        [["sh", "-c", "kill -KILL $$"], 137],
        [["--timeout", "200ms", "sleep", "60"], 124],
        [["--max-output", "1kB", "yes"], 125],
        [["no-such-program"], 127]
      ] as const) {
        assert.deepStrictEqual([args, (yield* texts(["run", ...args], { env })).exitCode], [args, code])
      }
      const own = mark()
      const script = "sleep 300 & echo READY; wait"
      const child = yield* start(["stream", "--env", own, "--", "sh", "-c", script], {
        env,
        tty: { columns: 80, rows: 24 }
      })
      yield* readUntil(child, "READY")
      assert.strictEqual(survivors(own).length, 2)
      yield* child.write("\u0003")
      assert.deepStrictEqual((yield* finish(child)).status, { _tag: "Signaled", signal: "SIGINT" })
      yield* noSurvivors(own)
    })
  )

  it.effect("detach lets it live on; ps, logs, wait and kill find it by its tag, id or pid", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const own = mark()
      const script = "echo out; echo err >&2; trap 'exit 7' TERM; sleep 300 & wait"
      const detached = yield* texts(["detach", "--tag", "job", "--env", own, "--", "sh", "-c", script], { env })
      assert.deepStrictEqual([detached.exitCode, detached.stderr], [0, ""])
      const id = detached.stdout.trim()
      assert.strictEqual(survivors(own).length, 2)

      const listed = yield* texts(["ps"], { env })
      assert.match(
        listed.stdout,
        /^TAG +PID +STATUS +AGE +ID +COMMAND\njob +\d+ +running +\d+\w* +p[0-9a-f]+ +sh -c echo out/
      )
      const [process] = events((yield* texts(["ps", "--json"], { env })).stdout)
      assert.isTrue(process?.type === "process" && process.id === id && process.exitCode === undefined)
      const { pid } = process as Extract<typeof process, { type: "process" }>

      for (const selector of ["job", id, String(pid)]) {
        const { stderr, stdout } = yield* texts(["logs", selector], { env })
        assert.deepStrictEqual([stdout, stderr], ["out\n", "err\n"])
      }
      assert.strictEqual((yield* texts(["logs", "--since", "2", "job"], { env })).stdout, "t\n")
      const patient = yield* texts(["wait", "--timeout", "200ms", "job"], { env })
      assert.strictEqual(patient.exitCode, 124)
      assert.match(patient.stderr, /was still running after 200ms/)

      assert.strictEqual((yield* texts(["kill", "--grace", "5s", "job"], { env })).exitCode, 0)
      yield* noSurvivors(own)
      assert.strictEqual((yield* texts(["wait", id], { env })).exitCode, 7)
      assert.strictEqual((yield* texts(["ps"], { env })).stdout.split("\n").length, 2)
      assert.match((yield* texts(["ps", "--all"], { env })).stdout, /job +\d+ +exit 7 /)
      const [end] = events((yield* texts(["wait", "--json", id], { env })).stdout)
      assert.isTrue(end?.type === "exited" && end.exitCode === 7 && end.endedBy === "signal")
    })
  )

  it.effect("logs -f and attach follow it to its end, byte by byte, and say what is no longer held", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const script = "seq 1 2000; read go; echo last; exit 5"
      yield* texts(["detach", "--tag", "job", "--ring", "4KiB", "--stdin", "open", "--", "sh", "-c", script], { env })
      const follower = yield* start(["logs", "-f", "job"], { env })
      yield* readUntil(follower, "2000\n")
      const attached = yield* texts(["attach", "--stdin", "-", "job"], { env, stdin: "go\n" })
      assert.strictEqual(attached.exitCode, 5)
      assert.match(attached.stdout, /\n1999\n2000\nlast\n$/)
      assert.match(attached.stderr, /its bytes from 0 up to \d+ are no longer held/)
      const rest = yield* finish(follower)
      assert.deepStrictEqual([rest.exitCode, rest.stdout], [0, "last\n"])
      const held = events((yield* texts(["logs", "--json", "job"], { env })).stdout)
      assert.deepStrictEqual([held[0]?.type, held[1]?.type, held.at(-1)?.type], ["started", "gap", "exited"])
    })
  )

  it.effect("detach --stdin - gives it all of the input first", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const bytes = new Uint8Array(randomBytes(1_000_000))
      yield* run(["detach", "--tag", "sum", "--stdin", "-", "--", "sha256sum"], { env, stdin: bytes })
      yield* texts(["wait", "sum"], { env })
      assert.strictEqual((yield* texts(["logs", "sum"], { env })).stdout, `${sha256(bytes)}  -\n`)
    })
  )

  it.effect("kill sends any signal by name or number, to all that are named", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      for (const tag of ["a", "b", "c"]) yield* texts(["detach", "--tag", tag, "sleep", "300"], { env })
      const partly = yield* texts(["kill", "-s", "usr1", "a", "nobody", "b"], { env })
      assert.strictEqual(partly.exitCode, 125)
      assert.match(partly.stderr, /No process with the id, tag or pid nobody/)
      yield* texts(["kill", "--signal", "9", "c"], { env })
      const codes = yield* Effect.forEach(["a", "b", "c"], (tag) => texts(["wait", tag], { env }))
      assert.deepStrictEqual(
        codes.map(({ exitCode }) => exitCode),
        [138, 138, 137]
      )
      const unknown = yield* texts(["kill", "-s", "NOPE", "a"], { env })
      assert.match(unknown.stderr, /there is no signal "NOPE"/)
    })
  )

  it.effect("cp carries files both ways, whole or not at all", () =>
    Effect.gen(function* () {
      const there = yield* directory
      const here = yield* directory
      const { env } = yield* serve()
      const bytes = randomBytes(3_000_000)
      const file = Path.join(here, "a file.bin")
      Fs.writeFileSync(file, bytes)
      assert.deepStrictEqual(yield* texts(["cp", file, `:${there}/`], { env }), { exitCode: 0, stdout: "", stderr: "" })
      assert.strictEqual(sha256(Fs.readFileSync(Path.join(there, "a file.bin"))), sha256(bytes))
      const back = Path.join(here, "back")
      Fs.mkdirSync(back)
      yield* texts(["cp", `:${there}/a file.bin`, back], { env })
      assert.strictEqual(sha256(Fs.readFileSync(Path.join(back, "a file.bin"))), sha256(bytes))
      yield* texts(["cp", "-", `:${there}/typed`], { env, stdin: "typed\n" })
      assert.strictEqual((yield* texts(["cp", `:${there}/typed`, "-"], { env })).stdout, "typed\n")
      for (const [args, message] of [
        [["cp", file, back], /one there, which begins with a colon/],
        [["cp", `:${there}/none`, here], /NotFound/],
        [["cp", `${here}/none`, ":x"], /NotFound/]
      ] as const) {
        const { exitCode, stderr } = yield* texts(args, { env })
        assert.strictEqual(exitCode, 125)
        assert.match(stderr, message)
      }
      // Directories too, with what may be executed.
      Fs.mkdirSync(Path.join(back, "deep"))
      Fs.writeFileSync(Path.join(back, "deep", "run.sh"), "#!/bin/sh\n", { mode: 0o755 })
      yield* texts(["cp", back, `:${there}`], { env })
      yield* texts(["cp", `:${there}/back`, `${here}/again`], { env })
      assert.deepStrictEqual(Fs.readdirSync(here).toSorted(), ["a file.bin", "again", "back"])
      assert.deepStrictEqual(Fs.readdirSync(Path.join(here, "again")).toSorted(), ["a file.bin", "deep"])
      assert.strictEqual(Fs.statSync(Path.join(here, "again", "deep", "run.sh")).mode & 0o777, 0o755)
    })
  )

  it.effect("capsules are made of templates, used by their names, and ended", () =>
    Effect.gen(function* () {
      const { env } = yield* serve("--template", "here=local", "--template", "there=local")
      const made = yield* texts(["capsule", "create", "--id", "one", "here"], { env })
      assert.deepStrictEqual([made.stdout, made.exitCode], [`${env.EFFECT_EXEC_ON}/one\n`, 0])
      const on = { ...env, EFFECT_EXEC_ON: made.stdout.trim() }
      yield* texts(["detach", "--tag", "job", "sleep", "300"], { env: on })
      const other = (yield* texts(["capsule", "create", "there"], { env })).stdout.trim()
      // Each has its own processes.
      assert.notInclude((yield* texts(["ps"], { env: { ...env, EFFECT_EXEC_ON: other } })).stdout, "job")
      assert.include((yield* texts(["ps"], { env: on })).stdout, "job")
      const listed = events((yield* texts(["capsule", "ls", "--json"], { env })).stdout)
      assert.deepStrictEqual(listed.map((event) => event.type === "capsule" && event.template).toSorted(), [
        "here",
        "there"
      ])
      assert.match(
        (yield* texts(["capsule", "ls"], { env })).stdout,
        /^ID +TEMPLATE +STATUS +CREATED\none +here +running /
      )
      assert.strictEqual((yield* texts(["capsule", "rm", "one"], { env })).exitCode, 0)
      const gone = yield* texts(["ps"], { env: on })
      assert.strictEqual(gone.exitCode, 125)
      assert.match(gone.stderr, /There is no sandbox one/)
      const wrong = yield* texts(["capsule", "create", "nope"], { env })
      assert.match(wrong.stderr, /this server has these: here, there/)
    })
  )

  it.effect("a server that ends takes all with it, its token too", () =>
    Effect.gen(function* () {
      const { child, env, tokenFile } = yield* serve()
      const own = mark()
      yield* texts(["detach", "--env", own, "--", "sh", "-c", "setsid sleep 300 & sleep 300"], { env })
      const attached = yield* start(["stream", "--env", own, "--", "sh", "-c", "echo READY; sleep 300"], { env })
      yield* readUntil(attached, "READY")
      assert.strictEqual(Fs.statSync(tokenFile).mode & 0o777, 0o600)
      yield* child.signal("SIGINT")
      assert.deepStrictEqual((yield* finish(child)).status, { _tag: "Signaled", signal: "SIGINT" })
      yield* noSurvivors(own)
      assert.isFalse(Fs.existsSync(tokenFile))
      const lost = yield* finish(attached)
      assert.strictEqual(lost.exitCode, 125)
      assert.match(lost.stderr, /connection to the backend was lost/)
    })
  )

  it.effect(
    "a Unix socket is this user's alone; one that a killed server left is taken over, one that is used is not",
    () =>
      Effect.gen(function* () {
        const socket = Path.join(yield* directory, "exec.sock")
        const first = yield* serve("--unix", socket)
        const env = { EFFECT_EXEC_ON: `capsule:unix:${socket}` }
        assert.strictEqual(Fs.statSync(socket).mode & 0o777, 0o600)
        assert.strictEqual((yield* texts(["run", "echo", "hi"], { env })).stdout, "hi\n")
        const second = yield* texts(["serve", "--unix", socket])
        assert.strictEqual(second.exitCode, 125)
        assert.match(second.stderr, /Cannot listen on .*exec\.sock: a server listens there already/)
        yield* first.child.signal("SIGKILL")
        yield* finish(first.child)
        assert.isTrue(Fs.existsSync(socket))
        const third = yield* serve("--unix", socket)
        assert.strictEqual((yield* texts(["run", "echo", "again"], { env })).stdout, "again\n")
        yield* third.child.signal("SIGTERM")
        yield* finish(third.child)
        assert.isFalse(Fs.existsSync(socket))
      })
  )

  it.effect("nobody comes in without the token, and no message shows it", () =>
    Effect.gen(function* () {
      const folder = yield* directory
      const file = Path.join(folder, "token")
      Fs.writeFileSync(file, "s3cret-token\n")
      const { env, tokenFile } = yield* serve("--token-file", file)
      assert.strictEqual(tokenFile, file)
      const on = { EFFECT_EXEC_ON: env.EFFECT_EXEC_ON }
      assert.strictEqual((yield* texts(["ps"], { env: { ...on, EFFECT_EXEC_TOKEN: "s3cret-token" } })).exitCode, 0)
      assert.strictEqual((yield* texts(["ps", "--token-file", file], { env: on })).exitCode, 0)
      const refused: ReadonlyArray<
        readonly [args: ReadonlyArray<string>, env: Record<string, string>, message: RegExp]
      > = [
        [["ps"], on, /token/],
        [["ps"], { ...on, EFFECT_EXEC_TOKEN: "s3cret-other" }, /token/],
        [["capsule", "ls"], { ...on, EFFECT_EXEC_TOKEN: "s3cret-other" }, /token/],
        [["ps", "--token-file", `${folder}/none`], on, /token file .*none cannot be read: ENOENT/],
        [["ps", "--on", "capsule:http://me:s3cret@127.0.0.1:1"], {}, /A secret does not belong into an address/],
        [["ps", "--on", "capsule:ftp://127.0.0.1:1"], {}, /A capsule is named capsule:URL\[\/ID\]/],
        [["ps", "--on", "capsule:127.0.0.1:1"], {}, /Does a capsule server listen at ws:\/\/127\.0\.0\.1:1/],
        [["ps", "--on", "local"], {}, /Nobody owns processes at local[^]*effect-exec serve/],
        [["serve", "--template", "nonsense"], {}, /--template takes NAME=PLACE/],
        [["serve", "--on", "local", "--template", "a=local"], {}, /exclude each other/],
        [["serve", "--port", "70000"], {}, /a port is a number/]
      ]
      for (const [args, env, message] of refused) {
        const { exitCode, stderr, stdout } = yield* texts(args, { env })
        assert.deepStrictEqual([args, exitCode, stdout], [args, 125, ""])
        assert.match(stderr, message)
        assert.notInclude(stderr, "s3cret")
      }
    })
  )
})

describe.runIf(Tmux.available)("a process that lives on", () => {
  it.live("is left with its terminal closed, and come back to from another one", () =>
    Effect.gen(function* () {
      const { env } = yield* serve()
      const own = mark()
      const open = Tmux.open({ PATH: path, PROGRAM: program, XDG_CONFIG_HOME: "/nonexistent", ...env })
      const first = yield* open
      yield* first.line(
        `$PROGRAM detach --tag shell --tty --env ${own} --env PS1='inside> ' -- bash --norc --noprofile`
      )
      yield* first.shows(/shell runs with pid \d+/)
      yield* first.line("clear; $PROGRAM attach shell")
      yield* first.shows(/this is shell; Ctrl-\] leaves it[^]*^inside>$/m)
      yield* first.line("answer=42; echo said $answer")
      yield* first.shows(/^said 42$/m)
      yield* first.close

      const second = yield* open
      yield* second.resize(100, 30)
      yield* second.line("clear; $PROGRAM attach shell")
      // What it had said before is there, and so is the shell with what it knows.
      yield* second.shows(/^said 42$/m)
      yield* second.line("echo still $answer; stty size")
      yield* second.shows(/^still 42\n30 100$/m)
      yield* second.keys("C-]")
      yield* second.shows(/shell lives on; attach shell comes back/)
      yield* second.line("clear; $PROGRAM ps")
      yield* second.shows(/^shell +\d+ +running/m)
      assert.isAtLeast(survivors(own).length, 1)
      yield* second.line("$PROGRAM kill --grace 1s shell; echo code $?")
      yield* second.shows(/^code 0$/m)
      yield* noSurvivors(own)
    }).pipe(Effect.scoped, Effect.provide(LocalExec.layer))
  )

  it.live("is left by Ctrl-C where it has no terminal, and the banner says all that is to be typed", () =>
    Effect.gen(function* () {
      const variables = { PATH: path, PROGRAM: program, XDG_CONFIG_HOME: "/nonexistent" }
      const server = yield* Tmux.open(variables)
      yield* server.resize(120, 30)
      yield* server.line("$PROGRAM serve --port 0")
      const banner = yield* server.shows(/In another terminal:[^]*Ctrl-C here ends the server/)
      const client = yield* Tmux.open(variables)
      yield* client.line('effect-exec() { $PROGRAM "$@"; }')
      for (const line of banner.match(/^ {4}\S.*$/gm)!.filter((line) => !/attach|kill/.test(line))) {
        yield* client.line(line.trim())
      }
      yield* client.shows(/^clock +\d+ +running/m)
      yield* client.line("clear; effect-exec attach clock")
      yield* client.shows(/ 20\d\d$/m)
      yield* client.keys("C-c")
      yield* client.shows(/clock lives on; attach clock comes back/)
      yield* client.line("effect-exec kill clock; effect-exec wait clock; echo code $?")
      yield* client.shows(/^code 143$/m)
      yield* server.keys("C-c")
      yield* server.shows(/^\$$/m)
    })
  )
})
