/**
 * What the system is, in a few seconds: `npx -y pnpm demo`. Everything runs on this machine; there is nothing to set up.
 */
import { dirname, join } from "node:path"
import { styleText } from "node:util"
import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect, Stream } from "effect"
import { Command, Exec, ExecEvent, ExitStatus } from "effect-exec"
import { LocalExec } from "@effect-exec/local"
import { TestExec } from "@effect-exec/testing"

const title = (text: string) => Console.log(`\n${styleText(["bold", "cyan"], `● ${text}`)}`)
const code = (text: string) => Console.log(styleText("dim", `  ${text}`))
const show = (label: string, value: unknown) => Console.log(`  ${styleText("green", label.padEnd(9))} ${String(value)}`)
const quote = (text: string) => JSON.stringify(text)
const millis = (duration: Duration.Duration) => `${Duration.toMillis(duration).toFixed(0)} ms`

const run = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  yield* title("run: a command, and what it did as a value")
  yield* code(`exec.run(Command.shell("echo hello; echo careful >&2; exit 3"))`)
  const result = yield* exec.run(Command.shell("echo hello; echo careful >&2; exit 3"))
  yield* show("stdout", quote(result.stdout))
  yield* show("stderr", quote(result.stderr))
  yield* show("exitCode", result.exitCode)
  yield* show("duration", millis(result.duration))
})

const stream = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  yield* title("stream: the same, while it happens, with backpressure")
  const build = `for step in fetch compile link; do echo "$step …"; sleep 0.3; done`
  yield* code(`exec.stream(Command.shell('${build}'))`)
  const color = { Started: "blue", Stdout: "white", Stderr: "yellow", Gap: "red", Exited: "blue" } as const
  const words = ExecEvent.match({
    Started: ({ pid }) => `runs with pid ${pid}`,
    Stdout: ({ bytes }) => new TextDecoder().decode(bytes).trimEnd(),
    Stderr: ({ bytes }) => new TextDecoder().decode(bytes).trimEnd(),
    Gap: ({ from, to }) => `${to - from} bytes are missing`,
    Exited: ({ duration, status }) => `${ExitStatus.format(status)} after ${millis(duration)}`
  })
  yield* Stream.runForEach(exec.stream(Command.shell(build)), (event) =>
    Console.log(`  ${styleText(color[event._tag], event._tag.padEnd(9))} ${words(event)}`)
  )
})

const detach = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  yield* title("detach: it runs on, its last output stays in a ring buffer")
  const server = Command.shell("i=0; while :; do i=$((i+1)); echo request $i; sleep 0.1; done")
  yield* code(`exec.detach(server, { tag: "api-server", ring: 64 })`)
  yield* exec.detach(server, { tag: "api-server", ring: 64 })

  yield* code(`Exec.lines(exec.connect("api-server")).pipe(Stream.take(8))`)
  const lines = Exec.lines(exec.connect("api-server")).pipe(Stream.take(8))
  yield* show("lines", (yield* Stream.runCollect(lines)).join(", "))

  const process = yield* exec.get("api-server")
  const peek = yield* process.peek
  yield* show("peek", `${quote(peek.stdout)}, ${peek.evicted} older bytes were evicted`)
  yield* process.read
  yield* show("read", `took it; the ring now holds ${quote((yield* process.peek).stdout)}`)
  yield* show("list", (yield* exec.list()).map(({ pid, tag }) => `${tag} (pid ${pid})`).join(", "))
  yield* code(`exec.kill("api-server", { grace: "1 second" })`)
  yield* exec.kill("api-server", { grace: "1 second" })
  yield* show("wait", ExitStatus.format((yield* process.wait()).status))
})

const timeout = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  yield* title("timeout: TERM, grace, KILL, for the whole tree")
  const stubborn = `trap "" TERM; sleep 1000 & sleep 1000 & echo "tree: $$ and its children ignore TERM"; wait`
  yield* code(`exec.run(Command.shell('${stubborn}'), { timeout: "500 millis", grace: "500 millis" })`)
  const result = yield* exec.run(Command.shell(stubborn), { timeout: "500 millis", grace: "500 millis" })
  yield* show("stdout", quote(result.stdout))
  yield* show("endedBy", `${result.endedBy}, ${ExitStatus.format(result.status)} after ${millis(result.duration)}`)
  // A zombie (Z) is dead: its parent, or the first process of this machine, has yet to read how it ended.
  const group = yield* exec.run(Command.make("ps", ["-e", "-o", "pgid=,stat=,pid="]))
  const left = group.stdout
    .split("\n")
    .filter((line) => line.trim().startsWith(`${result.pid} `) && !line.includes(" Z"))
  yield* show("left", left.length === 0 ? "nothing" : left.join(", "))
})

const swap = Effect.gen(function* () {
  yield* title("layers: the same program somewhere else")
  const whereAmI = Effect.gen(function* () {
    const exec = yield* Exec.Exec
    return (yield* exec.run(Command.make("uname", ["-sm"]))).stdout.trimEnd()
  })
  const memory = TestExec.layer({ programs: { uname: (io) => io.stdout("a machine in memory, for tests\n") } })
  yield* code("Effect.provide(whereAmI, LocalExec.layer)")
  yield* show("uname", yield* Effect.provide(whereAmI, LocalExec.layer))
  yield* code("Effect.provide(whereAmI, TestExec.layer({ programs }))")
  yield* show("uname", yield* Effect.provide(whereAmI, memory))
})

const terminal = Effect.gen(function* () {
  const exec = yield* Exec.Exec
  yield* title("in a terminal: the same as a command; what lives on is found again from any other one")
  const cli = join(import.meta.dirname, "../packages/cli")
  yield* Exec.orFail(exec.run(Command.make(process.execPath, [join(cli, "scripts/build.ts")])))
  const path = `${dirname(process.execPath)}:${process.env["PATH"]}`
  const command = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) =>
    Command.make(join(cli, "dist/bin.js"), args, { env: { PATH: path, ...env } })

  yield* code("effect-exec serve")
  const server = yield* exec.detach(command(["serve", "--json", "--port", "0"]))
  const said = yield* Effect.flatMap(Stream.runHead(Exec.lines(server.events())), Effect.fromOption)
  const { tokenFile, url } = JSON.parse(said) as { readonly tokenFile: string; readonly url: string }
  yield* show("serves", url)
  const env = { EFFECT_EXEC_ON: `capsule:${url}`, EFFECT_EXEC_TOKEN_FILE: tokenFile }
  const type = (...args: ReadonlyArray<string>) =>
    Effect.gen(function* () {
      yield* code(`effect-exec ${args.map((word) => (/[ ;]/.test(word) ? `'${word}'` : word)).join(" ")}`)
      const result = yield* exec.run(command(args, env))
      const lines = `${result.stdout}${result.stderr}`.trimEnd()
      if (lines !== "") yield* Console.log(lines.replace(/^/gm, "  "))
      return result.exitCode
    })
  yield* type("detach", "--tag", "clock", "--", "sh", "-c", "while :; do date; sleep 1; done")
  yield* type("ps")
  yield* type("logs", "clock")
  yield* type("kill", "clock")
  yield* show("code", yield* type("wait", "clock"))
  yield* server.kill({ signal: "SIGINT", grace: "5 seconds" })
})

const demo = Effect.all([run, stream, detach, timeout, swap, terminal], { discard: true })

Effect.provide(demo, LocalExec.layer).pipe(
  Effect.andThen(
    Console.log(`\n${styleText("dim", "The programs behind this: scratchpad/. Where to go on: README.md")}\n`)
  ),
  NodeRuntime.runMain
)
