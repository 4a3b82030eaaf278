/** `--tty`: a real terminal for the command, in a real terminal. */
import * as Fs from "node:fs"
import * as Path from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { LocalExec } from "@effect-exec/local"
import { directory, mark, noSurvivors, path, program, survivors, texts } from "./support.ts"
import * as Tmux from "./tmux.ts"

const open = Tmux.open({ PATH: path, PROGRAM: program, XDG_CONFIG_HOME: "/nonexistent" })

describe.runIf(Tmux.available)("effect-exec run --tty in a terminal", () => {
  it.live(
    "is an interactive shell: job control, Ctrl-C for what runs in it, the size of the window, its own exit",
    () =>
      Effect.gen(function* () {
        const terminal = yield* open
        yield* terminal.line("$PROGRAM run --tty --env PS1='inside> ' -- bash --norc --noprofile; echo code $?")
        yield* terminal.shows(/^inside>$/m)
        yield* terminal.line("tty >/dev/null && stty size && echo $TERM")
        yield* terminal.shows(/^24 80\ntmux/m)
        yield* terminal.resize(100, 30)
        yield* terminal.line("stty size")
        yield* terminal.shows(/^30 100$/m)
        yield* terminal.line("echo BEGUN; sleep 300")
        yield* terminal.shows(/^BEGUN$/m)
        yield* terminal.keys("C-c")
        yield* terminal.shows(/^\^C\n+inside>$/m)
        yield* terminal.line("exit 9")
        yield* terminal.shows(/^code 9$/m)
        // The terminal is as it was before: it echoes what is typed, line by line.
        yield* terminal.line("stty -a | grep -o ' icanon\\| echo '")
        yield* terminal.shows(/^ icanon\n echo$/m)
      })
  )

  it.live("runs full-screen programs: a file is written with vi", () =>
    Effect.gen(function* () {
      const file = Path.join(yield* directory, "letter.txt")
      const terminal = yield* open
      yield* terminal.line(`$PROGRAM run --tty -- busybox vi ${file}; echo code $?`)
      yield* terminal.shows(/^~$/m)
      yield* terminal.keys("i")
      yield* terminal.line("Grüße aus dem Terminal")
      yield* terminal.keys("Escape")
      yield* terminal.shows(/^Grüße aus dem Terminal\n[^]*^- /m)
      yield* terminal.line(":wq")
      yield* terminal.shows(/^code 0$/m)
      assert.strictEqual(Fs.readFileSync(file, "utf8"), "Grüße aus dem Terminal\n\n")
    })
  )

  it.live("leaves nothing when the window is closed", () =>
    Effect.gen(function* () {
      const own = mark()
      const terminal = yield* open
      yield* terminal.line(`$PROGRAM run --tty --env ${own} -- sh -c 'setsid sleep 300 & echo READY; sleep 300'`)
      yield* terminal.shows(/^READY$/m)
      assert.isAtLeast(survivors(own).length, 3)
      yield* terminal.close
      yield* noSurvivors(own)
    })
  )

  it.live("Ctrl-Z and fg stop and continue what runs without a terminal of its own", () =>
    Effect.gen(function* () {
      const terminal = yield* open
      yield* terminal.line("$PROGRAM stream -- sh -c 'echo READY; sleep 1; echo DONE'")
      yield* terminal.shows(/^READY$/m)
      yield* terminal.keys("C-z")
      yield* terminal.shows(/Stopped/)
      yield* terminal.line("fg")
      yield* terminal.shows(/^DONE$/m)
    })
  )
})

layer(LocalExec.layer, { excludeTestServices: true })("effect-exec run --tty without a terminal", (it) => {
  it.effect("gives the command one all the same, 80 by 24, and an input where --stdin - says so", () =>
    Effect.gen(function* () {
      const { exitCode, stdout } = yield* texts(["run", "--tty", "--", "sh", "-c", "test -t 1 && stty size"])
      assert.deepStrictEqual([exitCode, stdout], [0, "24 80\r\n"])
      const fed = yield* texts(["run", "--tty", "--stdin", "-", "--", "sh", "-c", "read line; echo got $line"], {
        stdin: "hello\n"
      })
      assert.match(fed.stdout, /got hello\r\n$/)
    })
  )

  it.effect("is coloured on a terminal only, and not with NO_COLOR", () =>
    Effect.gen(function* () {
      const tty = { columns: 80, rows: 24 }
      const env = { TERM: "xterm-256color" }
      const coloured = (text: string) => text.includes("\u001b[")
      assert.isTrue(coloured((yield* texts(["run", "--help"], { tty, env })).stdout))
      assert.isTrue(coloured((yield* texts(["doctor", "--on", "local"], { tty, env })).stdout))
      for (const args of [
        ["run", "--help"],
        ["doctor", "--on", "local"]
      ]) {
        assert.isFalse(coloured((yield* texts(args)).stdout))
        assert.isFalse(coloured((yield* texts(args, { tty, env: { ...env, NO_COLOR: "1" } })).stdout))
      }
    })
  )
})
