/** Ctrl-C and other ends: what a command is told, and that nothing is left. */
import * as Fs from "node:fs"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Command, Exec } from "effect-exec"
import { LocalExec } from "@effect-exec/local"
import { finish, mark, noSurvivors, path, program, readUntil, start, survivors, texts } from "./support.ts"

const screen = { columns: 80, rows: 24 }

/** A tree of four, of which one has a session of its own; says READY when all are there. */
const tree = "sleep 300 & (setsid sleep 300 &); (sleep 300 &); echo READY; wait"

const sh = (verb: string, own: string, script: string, ...flags: ReadonlyArray<string>) => [
  verb,
  ...flags,
  "--env",
  own,
  "--",
  "sh",
  "-c",
  script
]

const ctrlC = "\u0003"

layer(LocalExec.layer, { excludeTestServices: true })("effect-exec, when it is told to end", (it) => {
  it.effect("Ctrl-C is the command's, with all that it started, and this program ends by it, too", () =>
    Effect.gen(function* () {
      const own = mark()
      const child = yield* start(sh("stream", own, tree), { tty: screen })
      yield* readUntil(child, "READY")
      assert.strictEqual(survivors(own).length, 4)
      yield* child.write(ctrlC)
      const { status } = yield* finish(child)
      // By the signal, not with 130: a shell's loop around it ends as well.
      assert.deepStrictEqual(status, { _tag: "Signaled", signal: "SIGINT" })
      yield* noSurvivors(own)
    })
  )

  it.effect("a command may take Ctrl-C as it likes; a second one kills, whatever it thinks of that", () =>
    Effect.gen(function* () {
      const own = mark()
      const script = `trap 'echo CAUGHT' INT; echo READY; while :; do sleep 300 & wait; done`
      const child = yield* start(sh("stream", own, script), { tty: screen })
      yield* readUntil(child, "READY")
      yield* child.write(ctrlC)
      yield* readUntil(child, "CAUGHT")
      yield* readUntil(child, "Ctrl-C once more kills")
      yield* child.write(ctrlC)
      assert.strictEqual((yield* finish(child)).exitCode, 137)
      yield* noSurvivors(own)
    })
  )

  it.effect("an exit code after Ctrl-C is passed on", () =>
    Effect.gen(function* () {
      const child = yield* start(["stream", "--", "sh", "-c", "trap 'exit 7' INT; echo READY; sleep 300 & wait"], {
        tty: screen
      })
      yield* readUntil(child, "READY")
      yield* child.write(ctrlC)
      assert.deepStrictEqual((yield* finish(child)).status, { _tag: "Exited", code: 7 })
    })
  )

  it.effect("TERM ends the command in its own way, its last words included, and after the grace in ours", () =>
    Effect.gen(function* () {
      const own = mark()
      const polite = yield* start(sh("stream", own, "trap 'echo BYE; exit 5' TERM; echo READY; sleep 300 & wait"))
      yield* readUntil(polite, "READY")
      yield* polite.signal("SIGTERM")
      const end = yield* finish(polite)
      assert.deepStrictEqual([end.stdout, end.exitCode], ["BYE\n", 5])

      const stubborn = yield* start(sh("stream", own, "trap '' TERM; echo READY; sleep 300", "--grace", "100ms"))
      yield* readUntil(stubborn, "READY")
      yield* stubborn.signal("SIGTERM")
      assert.strictEqual((yield* finish(stubborn)).exitCode, 137)
      yield* noSurvivors(own)
    })
  )

  it.effect("the two HUPs of a terminal that is closed are one: the command may end in its own way", () =>
    Effect.gen(function* () {
      const script = "trap 'echo CAUGHT; read -r word; echo $word; exit 6' HUP; echo READY; sleep 300 & wait"
      const child = yield* start(["stream", "--stdin", "-", "--", "sh", "-c", script])
      yield* readUntil(child, "READY")
      yield* child.signal("SIGHUP")
      yield* readUntil(child, "CAUGHT")
      yield* child.signal("SIGHUP")
      yield* child.write("BYE\n")
      const end = yield* finish(child)
      assert.deepStrictEqual([end.stdout, end.exitCode], ["BYE\n", 6])
    })
  )

  it.effect("nothing is left when its terminal is closed, nor when it is killed", () =>
    Effect.gen(function* () {
      const own = mark()
      for (const signal of ["SIGHUP", "SIGKILL"]) {
        const child = yield* start(sh("stream", own, tree))
        yield* readUntil(child, "READY")
        assert.strictEqual(survivors(own).length, 4)
        yield* child.signal(signal)
        yield* finish(child)
        yield* noSurvivors(own)
      }
    })
  )

  it.effect("a reader that goes away ends it quietly", () =>
    Effect.gen(function* () {
      const own = mark()
      const shell = (script: string) =>
        Exec.run(Command.shell(script, { env: { PATH: path, PROGRAM: program, OWN: own } }))
      const piped = yield* shell(
        `{ $PROGRAM stream --env $OWN -- yes; echo "code $?" >&2; } | head -n 2; $PROGRAM --help | head -n 1`
      )
      assert.deepStrictEqual([piped.stdout, piped.stderr], ["y\ny\nDESCRIPTION\n", "code 141\n"])
      yield* noSurvivors(own)
    })
  )

  it.effect("a disk that is full is said", () =>
    Effect.gen(function* () {
      const { exitCode, stderr } = yield* Exec.run(
        Command.shell("$PROGRAM run echo hi >/dev/full", { env: { PATH: path, PROGRAM: program } })
      )
      assert.strictEqual(exitCode, 125)
      assert.match(stderr, /Cannot write to stdout: ENOSPC/)
    })
  )

  it.effect("a timeout passes also while nobody reads", () =>
    Effect.gen(function* () {
      const own = mark()
      const child = yield* start(sh("stream", own, "yes", "--timeout", "300ms"))
      // Its pipes are full by now, and it is not read from until all of it is dead.
      yield* noSurvivors(own)
      assert.strictEqual((yield* finish(child)).exitCode, 124)
    })
  )

  it.effect("Ctrl-Z stops the command as well, and fg lets it go on", () =>
    Effect.gen(function* () {
      const own = mark()
      const child = yield* start(sh("stream", own, "echo READY; exec sleep 300"))
      yield* readUntil(child, "READY")
      const [pid] = survivors(own)
      const state = (pid: string | number) => Fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]![0]
      const become = (wanted: string, pid: string | number) =>
        Effect.gen(function* () {
          while (state(pid) !== wanted) yield* Effect.sleep(20)
        }).pipe(Effect.timeout("10 seconds"))
      yield* child.signal("SIGTSTP")
      yield* become("T", pid!)
      // A shell gives it back only when it is stopped itself: what comes before that wakes nobody.
      yield* become("T", child.pid)
      yield* child.signal("SIGCONT")
      yield* become("S", pid!)
      yield* child.kill()
      yield* finish(child)
    })
  )

  it.effect("says nothing of its own when it succeeds", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* texts(["stream", "--", "true"]), { exitCode: 0, stdout: "", stderr: "" })
    })
  )
})
